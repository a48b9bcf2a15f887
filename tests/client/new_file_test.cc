#include "client/new_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
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
