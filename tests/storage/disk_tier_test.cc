// What is on the disk is found there, whatever is in memory; and a name in a directory leads
// nowhere else. How URIs are confined and which errors they have is the tree's tests'
// (tree_test.cc).
#include "storage/tree/disk_tier.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "storage/tree/reserved_name.h"
#include "tests/storage/tree_fixture.h"

namespace objmapper::storage {
namespace {

using absl::StatusCode;

// Has every object, of one byte.
class Everything : public Overlay {
 public:
  std::optional<absl::StatusOr<OpenedObject>> Open(absl::string_view) override {
    return absl::DataLossError("it is not to be asked");
  }
  std::optional<absl::StatusOr<ObjectInfo>> Stat(absl::string_view) override {
    ObjectInfo info;
    info.size = 1;
    return info;
  }
  bool Has(absl::string_view) const override { return true; }
};

class DiskTierTest : public TreeTest {
 protected:
  void SetUp() override {
    scratch_.MakeDirectory("d");
    scratch_.Write("d/object", "content");
    TreeTest::SetUp();
  }
  const DiskTier& disk() const { return tree_->disk(); }
  // OpenIn() of a name in "d".
  absl::StatusOr<OpenedObject> OpenIn(absl::string_view name, bool seen_regular,
                                      Wait wait = Wait::kMayBlock) {
    const absl::StatusOr<net::UniqueFd> directory = disk().OpenDirectory("d", Wait::kMayBlock);
    EXPECT_TRUE(directory.ok()) << directory.status();
    return disk().OpenIn(directory->get(), name, absl::StrCat("d/", name), seen_regular, wait);
  }
};

// What is in memory is not asked.
TEST_F(DiskTierTest, SpeaksOfTheDiskAlone) {
  Everything everything;
  tree_->SetOverlay(&everything);
  EXPECT_EQ(tree_->Stat("absent", Wait::kMayBlock)->size, 1u);
  EXPECT_TRUE(absl::IsNotFound(disk().Stat("absent", Wait::kMayBlock).status()));
  EXPECT_TRUE(absl::IsNotFound(disk().Open("absent", Wait::kMayBlock).status()));
  EXPECT_TRUE(absl::IsNotFound(disk().Describe("absent", Wait::kMayBlock).status()));
  const absl::StatusOr<Description> there = disk().Describe("d/object", Wait::kMayBlock);
  ASSERT_TRUE(there.ok()) << there.status();
  EXPECT_EQ(there->size, 7u);
  EXPECT_EQ(there->tier, Tier::kDisk);
  EXPECT_EQ(ReadAll(disk().Open("d/object", Wait::kMayBlock)->fd.get()), "content");
  tree_->SetOverlay(nullptr);
}

// An empty path is the root, and what is no directory is not found.
TEST_F(DiskTierTest, OpensDirectories) {
  for (const char* path : {"", "/", "///"}) {
    const absl::StatusOr<net::UniqueFd> root = disk().OpenDirectory(path, Wait::kMayBlock);
    ASSERT_TRUE(root.ok()) << root.status();
    struct stat ours, roots;
    ASSERT_EQ(fstat(root->get(), &ours), 0);
    ASSERT_EQ(fstat(disk().root().fd(), &roots), 0);
    EXPECT_EQ(ours.st_ino, roots.st_ino);
  }
  for (const char* path : {"d/object", "d/absent", "absent"})
    EXPECT_TRUE(absl::IsNotFound(disk().OpenDirectory(path, Wait::kMayBlock).status())) << path;
  EXPECT_TRUE(absl::IsPermissionDenied(disk().OpenDirectory("..", Wait::kMayBlock).status()));
}

// A file is found by its name in its directory, by either way, and its descriptor is as any other.
TEST_F(DiskTierTest, OpensByNameInADirectory) {
  for (const bool seen_regular : {false, true}) {
    const absl::StatusOr<OpenedObject> object = OpenIn("object", seen_regular);
    ASSERT_TRUE(object.ok()) << object.status();
    EXPECT_EQ(object->info.size, 7u);
    EXPECT_EQ(fcntl(object->fd.get(), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
    EXPECT_NE(fcntl(object->fd.get(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_EQ(ReadAll(object->fd.get()), "content");
    EXPECT_TRUE(absl::IsNotFound(OpenIn("absent", seen_regular).status()));
  }
}

// A name that could lead elsewhere is refused.
TEST_F(DiskTierTest, ANameInADirectoryLeadsNowhereElse) {
  scratch_.Link("d/link", "object");
  scratch_.Link("d/out", scratch_.outside() + "/secret");
  scratch_.MakeDirectory("d/below");
  scratch_.Write("d/below/object", "deeper");
  for (const std::string& name :
       {std::string("link"), std::string("out"), std::string(""), std::string("."),
        std::string(".."), std::string("../d/object"), std::string("below/object"),
        std::string("object\0", 7), std::string(256, 'n'), NewReservedName()}) {
    for (const bool seen_regular : {false, true})
      EXPECT_TRUE(absl::IsPermissionDenied(OpenIn(name, seen_regular).status())) << name;
  }
  EXPECT_EQ(OpenIn("below", false).status().code(), StatusCode::kFailedPrecondition);
}

// A FIFO never blocks who has not said that there was a file, nor who must not wait.
TEST_F(DiskTierTest, FifosInADirectoryNeverBlock) {
  ASSERT_EQ(mkfifo(scratch_.PathOf("d/fifo").c_str(), 0644), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(OpenIn("fifo", /*seen_regular=*/false).status()));
  const absl::Status cached = OpenIn("fifo", /*seen_regular=*/true, Wait::kCachedOnly).status();
  EXPECT_TRUE(absl::IsPermissionDenied(cached) || absl::IsUnavailable(cached)) << cached;
}

// On a file system where opening takes long nothing is opened by those who must not wait.
TEST_F(DiskTierTest, WhereOpeningIsSlowTheHurriedDoNotOpen) {
  const dev_t device = disk().Stat("d/object", Wait::kMayBlock)->device;
  disk().slow_opens().Note(device, 100 * SlowOpens::kSlowNs, /*sure=*/true);
  EXPECT_TRUE(absl::IsUnavailable(disk().Open("d/object", Wait::kCachedOnly).status()));
  EXPECT_TRUE(absl::IsUnavailable(OpenIn("object", true, Wait::kCachedOnly).status()));
  EXPECT_TRUE(disk().Open("d/object", Wait::kMayBlock).ok());
  EXPECT_TRUE(OpenIn("object", true).ok());
}

// Every way to find an object marks its use; a directory on the way is none.
TEST_F(DiskTierTest, MarksWhatIsUsed) {
  UseMarks marks;
  tree_->MarkUses(&marks);
  const std::vector<std::string> used{"d/object"};
  EXPECT_TRUE(disk().Open("d/object", Wait::kMayBlock).ok());
  EXPECT_EQ(marks.Take(), used);
  marks.NextTurn();
  EXPECT_TRUE(disk().Stat("d/object", Wait::kMayBlock).ok());
  EXPECT_EQ(marks.Take(), used);
  marks.NextTurn();
  EXPECT_TRUE(OpenIn("object", false).ok());
  EXPECT_EQ(marks.Take(), used);
  marks.NextTurn();
  EXPECT_FALSE(disk().Open("d/absent", Wait::kMayBlock).ok());
  EXPECT_TRUE(disk().OpenDirectory("d", Wait::kMayBlock).ok());
  EXPECT_EQ(marks.Take(), std::vector<std::string>());
  tree_->MarkUses(nullptr);
}

// A name is judged as opening it would, but nobody looks whether it is there.
TEST_F(DiskTierTest, JudgesNames) {
  for (const std::string& good : {std::string("d/object"), std::string("absent"), std::string("d")})
    EXPECT_TRUE(DiskTier::CheckName(good).ok()) << good;
  std::string deep;
  for (size_t i = 0; i <= kDepthMax; ++i) deep += "d/";
  for (const std::string& bad : {std::string(""), std::string("/"), std::string("a\0b", 3),
                                 std::string("d/../d/object"), std::string(5000, 'n'), deep}) {
    const absl::Status status = DiskTier::CheckName(bad);
    EXPECT_FALSE(status.ok()) << bad;
    EXPECT_EQ(disk().Open(bad, Wait::kMayBlock).status(), status) << bad;
  }
}

}  // namespace
}  // namespace objmapper::storage
