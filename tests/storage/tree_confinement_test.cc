// Nothing but objects under the root comes out of a Tree.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/unique_fd.h"
#include "storage/tree/tree.h"
#include "tests/storage/tree_fixture.h"

namespace objmapper::storage {
namespace {

using absl::StatusCode;
using TreeConfinementTest = TreeTest;

// ".." is refused wherever it stands, even where it would stay inside; names that only look like
// it are names.
TEST_F(TreeConfinementTest, DotDotIsRefused) {
  scratch_.MakeDirectory("d");
  scratch_.Write("a", "alpha");
  for (const char* uri : {"..", "/..", "../outside/secret", "d/..", "d/../a", "d/../../root/a",
                          "a/..", "d//..//a", "missing/../a", "./.."}) {
    const absl::Status status = Outcome(uri);
    EXPECT_EQ(status.code(), StatusCode::kPermissionDenied) << uri;
    EXPECT_TRUE(absl::StrContains(status.message(), "\"..\"")) << status;
  }
  for (const char* name : {"..a", "a..", "...", "a..b", "d/..b", "d/b.."}) {
    scratch_.Write(name, name);
    ExpectContent(name, name);
  }
}

// Relative links are followed, even through "..", as long as they stay inside.
TEST_F(TreeConfinementTest, LinksInsideAreFollowed) {
  scratch_.MakeDirectory("d");
  scratch_.Write("a", "alpha");
  scratch_.Write("d/b", "beta");
  scratch_.Link("to_a", "a");
  scratch_.Link("to_d", "d");
  scratch_.Link("d/up", "../a");
  ExpectContent("to_a", "alpha");
  ExpectContent("to_d/b", "beta");
  ExpectContent("d/up", "alpha");
  ExpectContent("to_d/up", "alpha");
}

// No link leads out of the root: neither by its start nor by "..", neither as the last name nor on
// the way, neither at once nor through another. An absolute one is out even if it ends inside.
TEST_F(TreeConfinementTest, LinksOutAreRefused) {
  scratch_.MakeDirectory("d");
  scratch_.Write("a", "alpha");
  scratch_.Link("absolute", absl::StrCat(scratch_.outside(), "/secret"));
  scratch_.Link("relative", "../outside/secret");
  scratch_.Link("deep", "d/../../outside/secret");
  scratch_.Link("d/up", "../../outside/secret");
  scratch_.Link("directory", "../outside");
  scratch_.Link("twice", "relative");
  scratch_.Link("home", scratch_.PathOf("a"));
  scratch_.Link("out_and_in", "../root/a");
  for (const char* uri : {"absolute", "relative", "deep", "d/up", "directory/secret", "twice",
                          "home", "out_and_in"}) {
    const absl::Status status = Outcome(uri);
    EXPECT_EQ(status.code(), StatusCode::kPermissionDenied) << uri;
    EXPECT_TRUE(absl::StrContains(status.message(), "out of the root")) << status;
  }
}

// Links that never end are refused, not followed for ever.
TEST_F(TreeConfinementTest, LinkLoopsAreRefused) {
  scratch_.Link("ping", "pong");
  scratch_.Link("pong", "ping");
  EXPECT_EQ(CodeOf("ping"), StatusCode::kPermissionDenied);
}

// The links of /proc/self/fd jump to open files without walking a path. Neither a link inside the
// root reaches one, nor does a root that holds them.
TEST_F(TreeConfinementTest, MagicLinksAreRefused) {
  const net::UniqueFd secret(
      open(absl::StrCat(scratch_.outside(), "/secret").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(secret.valid());
  const std::string number = absl::StrCat(secret.get());
  scratch_.Link("magic", absl::StrCat("/proc/self/fd/", number));
  scratch_.Link("up", absl::StrCat("../../../proc/self/fd/", number));
  EXPECT_EQ(CodeOf("magic"), StatusCode::kPermissionDenied);
  EXPECT_EQ(CodeOf("up"), StatusCode::kPermissionDenied);

  absl::StatusOr<Tree> proc = Tree::Open("/proc/self");
  ASSERT_TRUE(proc.ok()) << proc.status();
  const absl::Status status =
      proc->OpenObject(absl::StrCat("fd/", number), Wait::kMayBlock).status();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied) << status;
  EXPECT_FALSE(proc->Stat(absl::StrCat("fd/", number), Wait::kMayBlock).ok());
}

// Directories are no objects, however they are named.
TEST_F(TreeConfinementTest, DirectoriesAreRefused) {
  scratch_.MakeDirectory("d");
  scratch_.Link("link", "d");
  for (const char* uri : {"d", "d/", "d/.", ".", "./", "link"}) {
    const absl::Status status = Outcome(uri);
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << uri;
    EXPECT_TRUE(absl::StrContains(status.message(), "a directory")) << status;
  }
}

// A FIFO is refused without waiting for somebody to write to it.
TEST_F(TreeConfinementTest, FifosNeverBlock) {
  ASSERT_EQ(mkfifo(scratch_.PathOf("fifo").c_str(), 0666), 0);
  const absl::Status status = Outcome("fifo");
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_TRUE(absl::StrContains(status.message(), "a FIFO")) << status;
}

// open(2) answers ENXIO to a socket; the message says what it is.
TEST_F(TreeConfinementTest, SocketsAreRefused) {
  const net::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string path = scratch_.PathOf("socket");
  ASSERT_LT(path.size(), sizeof(name.sun_path));
  path.copy(name.sun_path, path.size());
  ASSERT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  const absl::Status status = Outcome("socket");
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_TRUE(absl::StrContains(status.message(), "a socket")) << status;
}

// Devices are refused, those that open and those that do not.
TEST_F(TreeConfinementTest, DevicesAreRefused) {
  absl::StatusOr<Tree> dev = Tree::Open("/dev");
  ASSERT_TRUE(dev.ok()) << dev.status();
  const absl::Status status = dev->OpenObject("null", Wait::kMayBlock).status();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_TRUE(absl::StrContains(status.message(), "a device")) << status;
  EXPECT_EQ(dev->Stat("null", Wait::kMayBlock).status().code(), StatusCode::kPermissionDenied);
}

// A device file without a device behind it makes open(2) fail; it is a device all the same.
TEST_F(TreeConfinementTest, AbsentDevicesAreRefused) {
  const std::string path = scratch_.PathOf("device");
  // Major 60 to 63: kept free for experiments (devices.txt of the kernel).
  if (mknod(path.c_str(), S_IFCHR | 0666, makedev(60, 1)) != 0) {
    GTEST_SKIP() << "mknod is not permitted here";
  }
  const absl::Status status = Outcome("device");
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
}

// The tree is the directory, not its name: renaming the root changes nothing.
TEST_F(TreeConfinementTest, RootMayBeRenamed) {
  scratch_.Write("a", "alpha");
  const std::string elsewhere = absl::StrCat(scratch_.outside(), "/root");
  ASSERT_EQ(rename(scratch_.path().c_str(), elsewhere.c_str()), 0);
  ExpectContent("a", "alpha");
  EXPECT_EQ(CodeOf("../secret"), StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace objmapper::storage
