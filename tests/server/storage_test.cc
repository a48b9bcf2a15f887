// The storage's parts together: opened, walked, followed to another root.
#include "server/storage.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "server/flags/config.h"
#include "tests/net/eventually.h"
#include "tests/net/open_fds.h"
#include "tests/storage/scratch_root.h"

namespace objmapper::server {
namespace {

class StorageTest : public testing::Test {
 protected:
  StorageTest() {
    config_.root = scratch_.path();
    config_.catalog = false;
    config_.limits.writable = true;
  }
  // No test leaves a descriptor behind.
  ~StorageTest() override {
    storage_.reset();
    EXPECT_EQ(net::OpenFds(), open_fds_);
  }

  void Open() {
    auto opened = Storage::Open(config_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    storage_ = *std::move(opened);
  }
  bool Has(absl::string_view uri) {
    return storage_->tree().Stat(uri, storage::Wait::kMayBlock).ok();
  }
  bool Exists(absl::string_view name) { return access(scratch_.PathOf(name).c_str(), F_OK) == 0; }
  Vitals Figures() {
    Vitals vitals;
    storage_->Read(&vitals);
    return vitals;
  }

  const ptrdiff_t open_fds_ = net::OpenFds();
  const storage::ScratchRoot scratch_;
  Config config_;
  std::unique_ptr<Storage> storage_;
};

TEST_F(StorageTest, ARootThatIsNone) {
  config_.root = scratch_.PathOf("missing");
  EXPECT_EQ(Storage::Open(config_).status().code(), absl::StatusCode::kNotFound);
}

// There is what the flags ask for, and no more.
TEST_F(StorageTest, PartsThatAreAskedFor) {
  scratch_.Write("a", "content");
  Open();
  EXPECT_TRUE(Has("a"));
  EXPECT_EQ(storage_->tree().overlay(), nullptr);
  EXPECT_FALSE(Figures().memory.has_value());
  EXPECT_FALSE(Figures().objects.has_value());

  config_.memory.bytes_max = 1 << 20;
  config_.catalog = true;
  Open();
  EXPECT_TRUE(Has("a"));
  EXPECT_NE(storage_->tree().overlay(), nullptr);
  EXPECT_EQ(Figures().memory->bytes_max, config_.memory.bytes_max);
  EXPECT_FALSE(Figures().objects->complete) << "nobody has begun to walk";
}

// The walk counts the objects, and removes what interrupted PUTs have left; without a catalog that
// is done at once. A server that only reads removes nothing.
TEST_F(StorageTest, Housekeeping) {
  for (const bool catalog : {true, false}) {
    for (const bool writable : {false, true}) {
      scratch_.Write("a", "content");
      scratch_.Write(".objmapper-1-1-1", "left behind");
      config_.catalog = catalog;
      config_.limits.writable = writable;
      Open();
      ASSERT_TRUE(storage_->StartHousekeeping().ok());
      if (catalog) {
        EXPECT_TRUE(net::Eventually([this] { return Figures().objects->complete; }));
        EXPECT_EQ(Figures().objects->objects, 1u);
      }
      EXPECT_EQ(Exists(".objmapper-1-1-1"), !writable) << "catalog: " << catalog;
      EXPECT_TRUE(Exists("a"));
    }
  }
}

// Another directory under the root's name is served once the operator says so, and then the catalog
// is of that one.
TEST_F(StorageTest, FollowRoot) {
  scratch_.Write("old", "1");
  scratch_.Write("old2", "2");
  config_.catalog = true;
  Open();
  ASSERT_TRUE(storage_->StartHousekeeping().ok());
  EXPECT_TRUE(net::Eventually([this] { return Figures().objects->objects == 2; }));
  EXPECT_TRUE(storage_->CheckRoot().ok());
  EXPECT_TRUE(storage_->FollowRoot().ok()) << "it is what it was";

  ASSERT_EQ(rename(scratch_.path().c_str(), (scratch_.outside() + "/moved").c_str()), 0);
  EXPECT_FALSE(storage_->FollowRoot().ok()) << "there is none";
  ASSERT_EQ(mkdir(scratch_.path().c_str(), 0755), 0);
  scratch_.Write("new", "3");
  EXPECT_FALSE(storage_->CheckRoot().ok());
  EXPECT_TRUE(Has("old") && !Has("new"));

  EXPECT_TRUE(storage_->FollowRoot().ok());
  EXPECT_TRUE(storage_->CheckRoot().ok());
  EXPECT_TRUE(!Has("old") && Has("new"));
  EXPECT_TRUE(net::Eventually([this] { return Figures().objects->objects == 1; }));
}

}  // namespace
}  // namespace objmapper::server
