// A new file appears under its name completely or not at all, with the old file's attributes.
#include "client/new_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/place.h"
#include "net/unique_fd.h"
#include "tests/client/temporary_folder.h"
#include "tests/net/open_fds.h"

namespace objmapper::client {
namespace {

using Names = std::vector<std::string>;

using Meanwhile = NewFile::Meanwhile;

// Unnamed where the file system can, and as where it cannot.
class NewFileTest : public testing::TestWithParam<Meanwhile> {
 protected:
  void TearDown() override { EXPECT_EQ(net::OpenFds(), before_); }

  const ptrdiff_t before_ = net::OpenFds();
  TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Meanwhile, NewFileTest,
                         testing::Values(Meanwhile::kUnnamedIfPossible, Meanwhile::kNamed));

// Before Commit() nothing has the name; after it the whole file does.
TEST_P(NewFileTest, AppearsWithCommit) {
  {
    absl::StatusOr<NewFile> file = NewFile::Create(folder_.Path("a"), GetParam());
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_EQ(write(file->fd(), "hello", 5), 5);
    EXPECT_FALSE(std::filesystem::exists(folder_.Path("a")));
    ASSERT_TRUE(file->Commit().ok());
  }
  EXPECT_EQ(folder_.Read("a"), "hello");
  EXPECT_EQ(folder_.Names(), Names{"a"});
}

// A file that is not committed leaves nothing, and what had the name keeps it.
TEST_P(NewFileTest, LeavesNothingWithoutCommit) {
  folder_.Write("a", "old");
  {
    absl::StatusOr<NewFile> file = NewFile::Create(folder_.Path("a"), GetParam());
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_EQ(write(file->fd(), "hello", 5), 5);
  }
  EXPECT_EQ(folder_.Read("a"), "old");
  EXPECT_EQ(folder_.Names(), Names{"a"});
}

// An old file is replaced, not written into: who has it open keeps the old bytes.
TEST_P(NewFileTest, ReplacesTheOldFile) {
  folder_.Write("a", "old");
  std::ifstream old(folder_.Path("a"));
  absl::StatusOr<NewFile> file = NewFile::Create(folder_.Path("a"), GetParam());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(write(file->fd(), "new", 3), 3);
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_EQ(folder_.Read("a"), "new");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(old), {}), "old");
}

// Its permissions are any new file's.
TEST_P(NewFileTest, HasTheUmasksPermissions) {
  const mode_t old_mask = umask(027);
  absl::StatusOr<NewFile> file = NewFile::Create(folder_.Path("a"), GetParam());
  umask(old_mask);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(file->Commit().ok());
  struct stat attributes;
  ASSERT_EQ(stat(folder_.Path("a").c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode & 0777, 0640u);
}

// A symbolic link stays one: its target is replaced.
TEST_P(NewFileTest, FollowsSymbolicLinks) {
  folder_.Write("target", "old");
  std::filesystem::create_symlink("target", folder_.Path("link"));
  absl::StatusOr<NewFile> file = NewFile::Create(folder_.Path("link"), GetParam());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(write(file->fd(), "new", 3), 3);
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder_.Path("link")));
  EXPECT_EQ(folder_.Read("target"), "new");
}

// One that leads to nothing yet stays one too: the file is made where it leads to, in another
// folder as well.
TEST_P(NewFileTest, FollowsDanglingLinks) {
  std::filesystem::create_directory(folder_.Path("d"));
  std::filesystem::create_symlink("d/second", folder_.Path("link"));
  std::filesystem::create_symlink("../d/target", folder_.Path("d/second"));
  absl::StatusOr<NewFile> file = NewFile::Create(folder_.Path("link"), GetParam());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(write(file->fd(), "new", 3), 3);
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder_.Path("link")));
  EXPECT_TRUE(std::filesystem::is_symlink(folder_.Path("d/second")));
  EXPECT_EQ(folder_.Read("d/target"), "new");
  std::filesystem::create_symlink("round", folder_.Path("round"));
  const absl::Status round = NewFile::Create(folder_.Path("round"), GetParam()).status();
  EXPECT_TRUE(absl::StrContains(round.message(), "(ELOOP)")) << round;
}

// What is replaced lends its permissions and attributes; other hard links of it keep the old bytes.
TEST_P(NewFileTest, HasTheOldFilesAttributes) {
  folder_.Write("a", "old");
  ASSERT_EQ(chmod(folder_.Path("a").c_str(), 04601), 0);
  const bool extended = setxattr(folder_.Path("a").c_str(), "user.colour", "blue", 4, 0) == 0;
  std::filesystem::create_hard_link(folder_.Path("a"), folder_.Path("b"));
  absl::StatusOr<NewFile> file = NewFile::Create(folder_.Path("a"), GetParam());
  ASSERT_TRUE(file.ok()) << file.status();
  struct stat attributes;
  ASSERT_EQ(fstat(file->fd(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode & 077, 0u)
      << "the object can be read meanwhile by whom the old file did not let";
  ASSERT_EQ(write(file->fd(), "new", 3), 3);
  ASSERT_TRUE(file->Commit().ok());
  ASSERT_EQ(stat(folder_.Path("a").c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_mode & 07777, 0601u);
  char value[16];
  EXPECT_TRUE(!extended ||
              getxattr(folder_.Path("a").c_str(), "user.colour", value, sizeof(value)) == 4);
  EXPECT_EQ(folder_.Read("a"), "new");
  EXPECT_EQ(folder_.Read("b"), "old");
}

// So it does its owner and its access list.
TEST_P(NewFileTest, HasTheOldFilesOwnerAndList) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  folder_.Write("a", "old");
  if (chown(folder_.Path("a").c_str(), 65534, 65533) != 0) GTEST_SKIP() << "no other user here";
  // user::rw- user:65533:r-- group::--- mask::r-- other::--- (acl(5), and the kernel's
  // posix_acl_xattr.h).
  struct Entry {
    uint16_t tag, permissions;
    uint32_t id;
  };
  const struct {
    uint32_t version = 2;
    Entry entries[5] = {{1, 6, ~0u}, {2, 4, 65533}, {4, 0, ~0u}, {16, 4, ~0u}, {32, 0, ~0u}};
  } list;
  const char* const kName = "system.posix_acl_access";
  const bool lists = setxattr(folder_.Path("a").c_str(), kName, &list, sizeof(list), 0) == 0;
  absl::StatusOr<NewFile> file = NewFile::Create(folder_.Path("a"), GetParam());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(file->Commit().ok());
  struct stat attributes;
  ASSERT_EQ(stat(folder_.Path("a").c_str(), &attributes), 0);
  EXPECT_EQ(attributes.st_uid, 65534u);
  EXPECT_EQ(attributes.st_gid, 65533u);
  char value[sizeof(list)];
  const ptrdiff_t got = getxattr(folder_.Path("a").c_str(), kName, value, sizeof(value));
  EXPECT_TRUE(!lists || (got == ptrdiff_t{sizeof(list)} && memcmp(value, &list, sizeof(list)) == 0))
      << got;
}

// A file that may be written to, in a folder that takes no new one, is written to; one that may not
// is refused, in whatever folder.
TEST_P(NewFileTest, FolderThatTakesNoFile) {
  std::filesystem::create_directory(folder_.Path("d"));
  folder_.Write("d/a", "something longer");
  folder_.Write("d/b", "old");
  folder_.Write("c", "old");
  ASSERT_EQ(chmod(folder_.Path("d/b").c_str(), 0444), 0);
  ASSERT_EQ(chmod(folder_.Path("c").c_str(), 0444), 0);
  ASSERT_EQ(chmod(folder_.Path("d").c_str(), 0555), 0);
  const absl::Cleanup writable = [this] { chmod(folder_.Path("d").c_str(), 0755); };
  if (access(folder_.Path("d").c_str(), W_OK) == 0) GTEST_SKIP() << "root may write anywhere";
  struct stat before;
  ASSERT_EQ(stat(folder_.Path("d/a").c_str(), &before), 0);
  {
    absl::StatusOr<NewFile> file = NewFile::Create(folder_.Path("d/a"), GetParam());
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_EQ(write(file->fd(), "new", 3), 3);
    EXPECT_EQ(folder_.Read("d/a"), "something longer");
    ASSERT_TRUE(file->Commit().ok());
  }
  EXPECT_EQ(folder_.Read("d/a"), "new");
  struct stat after;
  ASSERT_EQ(stat(folder_.Path("d/a").c_str(), &after), 0);
  EXPECT_EQ(after.st_ino, before.st_ino);
  for (const char* name : {"d/b", "d/none", "c"}) {
    EXPECT_EQ(NewFile::Create(folder_.Path(name), GetParam()).status().code(),
              absl::StatusCode::kPermissionDenied)
        << name;
  }
}

// Another process's open file has no name under which it could be replaced, whatever its link says.
TEST_P(NewFileTest, FilesWithoutAName) {
  folder_.Write("a", "something longer");
  const net::UniqueFd kept(open(folder_.Path("a").c_str(), O_RDWR));
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  ASSERT_EQ(unlink(folder_.Path("a").c_str()), 0);
  {
    absl::StatusOr<NewFile> file =
        NewFile::Create(absl::StrCat("/proc/", child, "/fd/", kept.get()), GetParam());
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_EQ(write(file->fd(), "new", 3), 3);
    const absl::Status committed = file->Commit();
    EXPECT_TRUE(committed.ok()) << committed;
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  char bytes[32];
  EXPECT_EQ(pread(kept.get(), bytes, sizeof(bytes), 0), 3);
  EXPECT_EQ(folder_.Names(), Names{});
}

// This process's own are known by every way to write them.
TEST_P(NewFileTest, OwnDescriptors) {
  std::filesystem::create_symlink("/dev/fd/9", folder_.Path("link"));
  for (const std::string& path :
       {std::string("/dev/fd/9"), std::string("/proc/self/fd/9"),
        std::string("/proc/thread-self/fd/9"), std::string("/dev/../dev/fd/9"),
        absl::StrCat("/proc/", getpid(), "/fd/9"), folder_.Path("link")}) {
    const absl::StatusOr<Place> place = FindPlace(path);
    ASSERT_TRUE(place.ok()) << place.status();
    EXPECT_EQ(place->kind, Place::Kind::kDescriptor) << path;
    EXPECT_EQ(place->fd, 9) << path;
  }
  EXPECT_EQ(FindPlace("/dev/stdout")->fd, 1);
  EXPECT_EQ(FindPlace("/dev/null")->kind, Place::Kind::kStream);
  EXPECT_EQ(FindPlace(absl::string_view("a\0b", 3)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// The longest name that a folder can hold is no special case.
TEST_P(NewFileTest, LongestName) {
  const std::string name(255, 'n');
  absl::StatusOr<NewFile> file = NewFile::Create(folder_.Path(name), GetParam());
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_EQ(folder_.Names(), Names{name});
}

// What cannot become a file is refused, with its name.
TEST_P(NewFileTest, BadTargets) {
  EXPECT_EQ(NewFile::Create("", GetParam()).status().code(), absl::StatusCode::kInvalidArgument);
  const absl::Status is_folder = NewFile::Create(folder_.path(), GetParam()).status();
  EXPECT_EQ(is_folder.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(absl::StrContains(is_folder.message(), "it is a folder")) << is_folder;
  EXPECT_EQ(NewFile::Create("/dev/null", GetParam()).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(NewFile::Create(folder_.Path("new/"), GetParam()).status().code(),
            absl::StatusCode::kInvalidArgument);
  const absl::Status no_folder = NewFile::Create(folder_.Path("no/a"), GetParam()).status();
  EXPECT_EQ(no_folder.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(no_folder.message(), folder_.Path("no/a"))) << no_folder;
}

}  // namespace
}  // namespace objmapper::client
