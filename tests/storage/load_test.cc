// Small objects are read completely, in one version.
#include "storage/tree/load.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "tests/client/temporary_folder.h"
#include "tests/copypath/eviction.h"
#include "tests/copypath/pattern.h"
#include "tests/net/open_fds.h"

namespace objmapper::storage {
namespace {

using copypath::Evict;
using copypath::Pattern;

class LoadTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<Tree> tree = Tree::Open(folder_.path());
    ASSERT_TRUE(tree.ok()) << tree.status();
    tree_ = *std::move(tree);
  }

  const client::TemporaryFolder folder_;
  std::optional<Tree> tree_;
};

class SizeTest : public LoadTest, public testing::WithParamInterface<size_t> {};

// An object is small, and copied whole, up to the bound; a larger one is left where it is. Either
// way its descriptor and what is known of it come along.
TEST_P(SizeTest, SmallOnesAreCopied) {
  const std::string content = Pattern(GetParam(), 1);
  folder_.Write("object", content);
  const absl::StatusOr<LoadedObject> object = Load(*tree_, "object", Wait::kMayBlock);
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->info.size, content.size());
  struct stat status;
  ASSERT_EQ(fstat(object->fd.get(), &status), 0);
  EXPECT_EQ(object->info.inode, status.st_ino);
  ASSERT_EQ(object->snapshot != nullptr, content.size() <= kSnapshotBytesMax);
  if (object->snapshot != nullptr) {
    EXPECT_EQ(std::string(object->snapshot.get(), object->info.size), content);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, SizeTest,
                         testing::Values(0, 1, 4095, 4096, 4097, kSnapshotBytesMax - 1,
                                         kSnapshotBytesMax, kSnapshotBytesMax + 1, 1024 * 1024));

// What cannot be opened is told as the tree tells it, and leaves no descriptor behind.
TEST_F(LoadTest, ErrorsAreTheTrees) {
  const ptrdiff_t before = net::OpenFds();
  EXPECT_EQ(Load(*tree_, "absent", Wait::kMayBlock).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Load(*tree_, "", Wait::kMayBlock).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Load(*tree_, "../outside", Wait::kMayBlock).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(net::OpenFds(), before);
}

// From the caches alone a hot object is had at once, and a cold one is refused rather than waited
// for; asked for with patience it is the same.
TEST_F(LoadTest, ColdBytesAreNotWaitedFor) {
  const std::string content = Pattern(8000, 1);
  folder_.Write("object", content);
  const auto content_of = [](const absl::StatusOr<LoadedObject>& object) {
    return object.ok() ? std::string(object->snapshot.get(), object->info.size)
                       : object.status().ToString();
  };
  bool refused = false;
  // The asking makes the kernel read ahead, and a fast disk may have the bytes before it is done.
  for (int attempt = 0; attempt < 50 && !refused; ++attempt) {
    if (!Evict(folder_.Path("object"))) GTEST_SKIP() << "this file system keeps its pages";
    const absl::StatusOr<LoadedObject> cold = Load(*tree_, "object", Wait::kCachedOnly);
    refused = absl::IsUnavailable(cold.status());
    EXPECT_TRUE(refused || content_of(cold) == content) << content_of(cold);
    EXPECT_EQ(content_of(Load(*tree_, "object", Wait::kMayBlock)), content);
    EXPECT_EQ(content_of(Load(*tree_, "object", Wait::kCachedOnly)), content);
  }
  if (!refused) GTEST_SKIP() << "this disk is never waited for";
}

// An object that grows and is cut all the time is copied as it was at one moment, or not at all:
// the copy is as long as is said, and has no byte that the object never had there.
TEST_F(LoadTest, ChangingObjectIsOneVersionOrNone) {
  const std::string content = Pattern(kSnapshotBytesMax, 1);
  folder_.Write("object", content);
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    const net::UniqueFd file(open(folder_.Path("object").c_str(), O_WRONLY | O_CLOEXEC));
    for (size_t i = 0; !stop; ++i) {
      // Always a beginning of the same bytes, so whoever reads others has made them up.
      const size_t size = i * 977 % kSnapshotBytesMax;
      EXPECT_EQ(ftruncate(file.get(), 0), 0);
      EXPECT_EQ(pwrite(file.get(), content.data(), size, 0), static_cast<ssize_t>(size));
    }
  });
  for (int i = 0; i < 3000 && !HasFailure(); ++i) {
    const absl::StatusOr<LoadedObject> object = Load(*tree_, "object", Wait::kMayBlock);
    if (!object.ok()) {
      EXPECT_EQ(object.status().code(), absl::StatusCode::kResourceExhausted) << object.status();
      continue;
    }
    ASSERT_NE(object->snapshot, nullptr);
    EXPECT_TRUE(std::string(object->snapshot.get(), object->info.size) ==
                content.substr(0, object->info.size));
  }
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace objmapper::storage
