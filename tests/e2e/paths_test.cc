// Which names under the root are objects: files reached without leaving the tree, and nothing else.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

// On Unix sockets, where all modes are.
class PathsTest : public EngineTest {
 protected:
  static constexpr char kModes[] = {kFdPass, kCopy, kSplice, kStat};

  void ExpectServed(const std::string& uri, const std::string& contents) {
    SCOPED_TRACE(uri);
    RawClient client = RawClient::V1(Server().Unix());
    for (const char mode : kModes) {
      const Answer answer = client.Get({.mode = mode, .uri = uri});
      EXPECT_TRUE(answer.ok()) << mode << " " << answer.status;
      if (mode == kFdPass) {
        EXPECT_EQ(Contents(answer.fd.get()), contents);
      } else if (mode != kStat) {
        EXPECT_EQ(answer.body, contents);
      }
    }
  }

  static void ExpectAllRefused(const ServerProcess& server, const std::string& uri, Status status) {
    SCOPED_TRACE(uri);
    RawClient client = RawClient::V1(server.Unix());
    for (const char mode : kModes) {
      ExpectRefused(client.Get({.mode = mode, .uri = uri}), status);
    }
  }
  void ExpectDenied(const std::string& uri) {
    ExpectAllRefused(Server(), uri, Status::kPermissionDenied);
  }

  static void Symlink(const std::string& target, absl::string_view uri) {
    const std::string path = SharedTree().Path(uri);
    unlink(path.c_str());
    ASSERT_EQ(symlink(target.c_str(), path.c_str()), 0) << strerror(errno);
  }
};

TEST_P(PathsTest, FilesInDirectoriesAreServed) {
  SharedTree().AddOnce("a/b/c", "deep");
  ExpectServed("a/b/c", "deep");
}

TEST_P(PathsTest, LeadingSlashesAreIgnored) {
  SharedTree().AddOnce("a/b/c", "deep");
  ExpectServed("/a/b/c", "deep");
  ExpectServed("///a/b/c", "deep");
}

// Names are bytes. They need not be text, and nothing in them is special but '/'.
TEST_P(PathsTest, NamesAreBytes) {
  for (const std::string name : {"\xff\xfe\x80", "new\nline", " ", "%2e%2e", "a\\b", "c:d", "...",
                                 "\x01\x02", "caf\xc3\xa9", "caf\xe9", "..x", "-rf"}) {
    SharedTree().AddOnce("bytes/" + name, "called " + name);
    ExpectServed("bytes/" + name, "called " + name);
  }
}

// An answer may quote a name that is not UTF-8, but its message still is (ExpectRefused checks).
TEST_P(PathsTest, ErrorsAboutNamesThatAreNoTextAreText) {
  ExpectAllRefused(Server(), "bytes/missing \xff\xfe\xc0\x80 \xed\xa0\x80", Status::kNotFound);
  ExpectAllRefused(Server(), std::string(200, '\x80'), Status::kNotFound);
  // A cut in the middle of a character is no text either: metadata holds 1024 bytes at most.
  for (size_t shift = 0; shift < 4; ++shift) {
    std::string uri(shift, 'x');
    // Characters of four bytes, in names that are no more than there may be.
    while (uri.size() < 3000)
      uri += "\xf0\x9f\x93\xa6\xf0\x9f\x93\xa6\xf0\x9f\x93\xa6\xf0\x9f\x93\xa6/";
    ExpectAllRefused(Server(), uri, Status::kNotFound);
  }
}

// The longest path that open(2) takes.
TEST_P(PathsTest, PathOf4095BytesIsServed) {
  std::string uri;
  net::UniqueFd directory(open(SharedTree().root().c_str(), O_DIRECTORY | O_CLOEXEC));
  const std::string name(200, 'd');
  while (uri.size() + name.size() + 1 < 4090) {
    mkdirat(directory.get(), name.c_str(), 0755);  // or it is there from the other engine's test
    directory.Reset(openat(directory.get(), name.c_str(), O_DIRECTORY | O_CLOEXEC));
    uri += name + "/";
  }
  const std::string file(4095 - uri.size(), 'f');
  uri += file;
  net::UniqueFd object(
      openat(directory.get(), file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  ASSERT_EQ(write(object.get(), "far down", 8), 8);
  ExpectServed(uri, "far down");
  ExpectServed("/" + uri, "far down");  // 4096 bytes, the most a URI may have
}

// A component beyond NAME_MAX cannot exist.
TEST_P(PathsTest, NameOf256BytesIsTooLong) {
  ExpectAllRefused(Server(), std::string(255, 'n'), Status::kNotFound);
  ExpectAllRefused(Server(), std::string(256, 'n'), Status::kUriTooLong);
  ExpectAllRefused(Server(), "a/" + std::string(256, 'n'), Status::kUriTooLong);
}

TEST_P(PathsTest, SymlinksInsideTheRootAreServed) {
  SharedTree().AddOnce("a/b/c", "deep");
  Symlink("a/b/c", "inside");
  Symlink("b", "a/directory");
  Symlink("../inside", "a/up");
  ExpectServed("inside", "deep");
  ExpectServed("a/directory/c", "deep");
  ExpectServed("a/up", "deep");
}

TEST_P(PathsTest, DanglingSymlinkIsNotFound) {
  Symlink("nowhere", "dangling");
  ExpectAllRefused(Server(), "dangling", Status::kNotFound);
}

TEST_P(PathsTest, NothingOutsideTheRootIsServed) {
  SharedTree().AddOnce("a/b/c", "deep");
  const std::string secret = SharedTree().outside() + "/secret";
  net::UniqueFd file(open(secret.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(write(file.get(), "secret", 6), 6);

  ExpectDenied("../secret");
  ExpectDenied("/../secret");
  ExpectDenied("a/../../secret");
  ExpectDenied("a/b/../../../secret");
  ExpectDenied("a/b/../b/c");  // stays inside, but ".." is no part of a name
  ExpectDenied("..");
  Symlink("../secret", "out");
  ExpectDenied("out");
  Symlink("..", "up");
  ExpectDenied("up/secret");
  Symlink("../../secret", "a/out");
  ExpectDenied("a/out");
  // Absolute, even one that leads back inside: it is resolved against the wrong root.
  Symlink("/etc/hostname", "absolute");
  ExpectDenied("absolute");
  Symlink(SharedTree().Path("a/b/c"), "absolute_inside");
  ExpectDenied("absolute_inside");
  Symlink("loop", "loop");
  ExpectDenied("loop");
}

TEST_P(PathsTest, OnlyFilesAreObjects) {
  SharedTree().AddOnce("a/b/c", "deep");
  // A directory is CONFLICT, whatever is asked of it.
  for (const char* directory : {"a", "a/b", "a/b/", "."})
    ExpectAllRefused(Server(), directory, static_cast<Status>(0x09));

  const std::string fifo = SharedTree().Path("fifo");
  unlink(fifo.c_str());
  ASSERT_EQ(mkfifo(fifo.c_str(), 0644), 0);
  ExpectDenied("fifo");  // and nobody waits for its writer

  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, SharedTree().Path("socket").c_str(), sizeof(address.sun_path) - 1);
  unlink(address.sun_path);
  net::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ExpectDenied("socket");
}

// Devices are no objects; opening one could have effects.
TEST_P(PathsTest, DevicesAreDenied) {
  ServerProcess server("/dev", {.engine = GetParam()});
  for (const std::string device : {"null", "zero", "full"}) {
    ExpectAllRefused(server, device, Status::kPermissionDenied);
  }
}

// The links of /proc that jump instead of being walked lead out of any root.
TEST_P(PathsTest, MagicLinksAreDenied) {
  ServerProcess server("/proc", {.engine = GetParam()});
  for (const std::string link : {"self/exe", "self/fd/0", "self/root/etc/passwd", "self/cwd"}) {
    ExpectAllRefused(server, link, Status::kPermissionDenied);
  }
}

// What the kernel makes up while it is read has no size to go by: 0 in procfs, a page in sysfs. It
// is refused with a sentence, and never an empty object, or one that ends early.
TEST_P(PathsTest, WhatTheKernelMakesUpIsDenied) {
  for (const auto& [root, uri] :
       {std::pair("/proc", "version"), std::pair("/proc", "sys/kernel/ostype"),
        std::pair("/sys/kernel", "profiling"), std::pair("/sys/kernel", "uevent_seqnum")}) {
    if (access(absl::StrCat(root, "/", uri).c_str(), R_OK) != 0) continue;
    ServerProcess server(root, {.engine = GetParam()});
    ExpectAllRefused(server, uri, Status::kPermissionDenied);
    EXPECT_TRUE(absl::StrContains(
        RawClient::V1(server.Unix()).Get({.mode = kCopy, .uri = uri}).metadata.at(kErrorEntry),
        "generates"))
        << uri;
  }
}

// A directory that the server's user may not read is one all the same.
TEST_P(PathsTest, UnreadableDirectoryIsADirectory) {
  ObjectTree tree;
  tree.Add("d/x", "x");
  ASSERT_EQ(chmod(tree.Path("d").c_str(), 0), 0);
  ServerProcess server(tree.root(), {.engine = GetParam(), .as_nobody = true});
  ExpectAllRefused(server, "d", static_cast<Status>(0x09));
  ASSERT_EQ(chmod(tree.Path("d").c_str(), 0755), 0);
}

// A file that the server's user may not read.
TEST_P(PathsTest, UnreadableFileIsDenied) {
  if (geteuid() == 0 && !ServerProcess::CanBecomeNobody()) GTEST_SKIP() << "root reads any file";
  ObjectTree tree;
  const std::string path = tree.Add("unreadable", "private");
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  ServerProcess server(tree.root(), {.engine = GetParam(), .as_nobody = true});
  RawClient client = RawClient::V1(server.Unix());
  for (const char mode : {kFdPass, kCopy, kSplice}) {
    ExpectRefused(client.Get({.mode = mode, .uri = "unreadable"}), Status::kPermissionDenied);
  }
}

INSTANTIATE_TEST_SUITE_P(All, PathsTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
