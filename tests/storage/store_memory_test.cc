// Storing by descriptor with a memory limit: sealed memfds are adopted, everything else is copied.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#include "absl/strings/str_cat.h"
#include "storage/memory/memory_tier.h"
#include "storage/store/store.h"
#include "tests/net/memfd.h"
#include "tests/storage/each.h"
#include "tests/storage/tree_fixture.h"

namespace objmapper::storage {
namespace {

// A store with a memory tier of 64 KiB.
class StoreMemoryTest : public TreeTest {
 protected:
  void SetUp() override {
    TreeTest::SetUp();
    absl::StatusOr<std::unique_ptr<MemoryTier>> tier =
        MemoryTier::Create({.bytes_max = 65536, .objects_max = 100});
    ASSERT_TRUE(tier.ok()) << tier.status();
    tier_ = *std::move(tier);
    tree_->SetOverlay(tier_.get());
    Store::Options options;
    options.tree = &*tree_;
    options.durability = Durability::kNone;
    options.memory = tier_.get();
    store_.emplace(options);
  }
  void TearDown() override {
    store_.reset();
    tree_->SetOverlay(nullptr);
    tier_.reset();
    TreeTest::TearDown();
  }

  absl::Status Put(absl::string_view uri, absl::string_view content) {
    absl::StatusOr<std::unique_ptr<NewObject>> object = store_->Begin(uri, content.size(), {});
    if (!object.ok()) return object.status();
    EXPECT_EQ(pwrite((*object)->fd(), content.data(), content.size(), 0),
              static_cast<ssize_t>(content.size()));
    return (*object)->Commit();
  }
  absl::Status PutFd(absl::string_view uri, absl::string_view content) {
    return store_->PutFd(uri, net::Memfd(content), {});
  }
  bool OnDisk(const std::string& uri) const {
    return access(scratch_.PathOf(uri).c_str(), F_OK) == 0;
  }

  std::unique_ptr<MemoryTier> tier_;
  std::optional<Store> store_;
};

// A sealed memfd becomes the object itself: readers get its inode, and nothing is on the disk.
TEST_F(StoreMemoryTest, AdoptsASealedMemfd) {
  net::UniqueFd fd = net::Memfd("in memory");
  struct stat given {};
  ASSERT_EQ(fstat(fd.get(), &given), 0);
  const uint64_t changes = tree_->changes();
  ASSERT_TRUE(store_->PutFd("a/b", std::move(fd), {}).ok());
  EXPECT_GT(tree_->changes(), changes);
  const absl::StatusOr<OpenedObject> object = Open("a/b");
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ(object->info.inode, given.st_ino);
  EXPECT_EQ(object->info.device, given.st_dev);
  ExpectContent("a/b", "in memory");
  EXPECT_FALSE(OnDisk("a"));
}

// What is not sealed, or too large for the tier, is copied to the disk.
TEST_F(StoreMemoryTest, CopiesTheRest) {
  ASSERT_TRUE(store_->PutFd("unsealed", net::Memfd("x", F_SEAL_GROW), {}).ok());
  ASSERT_TRUE(PutFd("large", std::string(65537, 'x')).ok());
  for (const char* uri : {"unsealed", "large"}) {
    EXPECT_TRUE(OnDisk(uri));
    EXPECT_FALSE(tier_->Has(uri));
  }
}

// Of each name there is one object, whichever tier it is stored in, and each change shows at once.
TEST_F(StoreMemoryTest, OneObjectOfAName) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Put("x", "on disk").ok());
    ExpectContent("x", "on disk");
    EXPECT_FALSE(tier_->Has("x"));
    ASSERT_TRUE(PutFd("x", "in memory").ok());
    ExpectContent("x", "in memory");
    EXPECT_FALSE(OnDisk("x"));
  }
  ASSERT_TRUE(store_->Delete("x").ok());
  EXPECT_EQ(CodeOf("x"), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::IsNotFound(store_->Delete("x")));
}

// An object that could not be stored on the disk leaves the one in memory as it is.
TEST_F(StoreMemoryTest, AFailedPutChangesNothing) {
  ASSERT_TRUE(PutFd("x", "in memory").ok());
  ASSERT_TRUE(store_->Begin("x", 3, {}).ok());
  ExpectContent("x", "in memory");
}

// An object in memory is no directory, and a directory is none: as on the disk.
TEST_F(StoreMemoryTest, NamesDoNotCollide) {
  ASSERT_TRUE(PutFd("object", "in memory").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Put("object/below", "x")));
  EXPECT_TRUE(absl::IsAlreadyExists(PutFd("object/below", "x")));
  ASSERT_TRUE(Put("folder/object", "on disk").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(PutFd("folder", "x")));
  EXPECT_TRUE(absl::IsAlreadyExists(PutFd("folder/object/below", "x")));
}

// Names that could never be stored on the disk are refused for memory too.
TEST_F(StoreMemoryTest, RefusesWhatTheDiskRefuses) {
  for (const std::string& uri :
       {std::string(""), std::string("../x"), std::string("a/"), std::string("."),
        std::string(".objmapper-x"), std::string("a\0b", 3), std::string(300, 'x')}) {
    EXPECT_FALSE(PutFd(uri, "x").ok()) << uri;
  }
  EXPECT_EQ(tier_->Read().objects, 0u);
}

// The time to live is kept to in memory as on the disk.
TEST_F(StoreMemoryTest, Expires) {
  PutAttributes attributes;
  attributes.ttl = absl::Nanoseconds(1);
  ASSERT_TRUE(store_->PutFd("x", net::Memfd("x"), attributes).ok());
  EXPECT_EQ(CodeOf("x"), absl::StatusCode::kNotFound);
}

// All objects are listed once, in order, page by page, whatever is where and however small the
// pages are.
TEST_F(StoreMemoryTest, ListsBothInOrder) {
  std::vector<std::string> expected;
  for (int i = 10; i < 40; ++i) {
    const std::string uri = absl::StrCat(i % 4 == 0 ? "a/" : "b/", i);
    ASSERT_TRUE((i % 3 == 0 ? PutFd(uri, "x") : Put(uri, "x")).ok());
    expected.push_back(uri);
  }
  // Put there by somebody else: hidden by the one in memory, and listed once.
  scratch_.Write("b/15", "hidden");
  std::sort(expected.begin(), expected.end());
  std::erase(expected, "b/18");
  const auto all_but_one = [](absl::string_view uri) { return uri != "b/18"; };
  for (const size_t bytes_max : {1u, 30u, 100u, 100'000u}) {
    std::vector<std::string> listed;
    ListQuery query;
    query.bytes_max = bytes_max;
    do {
      const absl::StatusOr<ListPage> page = store_->List(query, Each(all_but_one));
      ASSERT_TRUE(page.ok()) << page.status();
      ASSERT_FALSE(page->entries.empty());
      for (const ListEntry& entry : page->entries) {
        listed.push_back(entry.uri);
        EXPECT_EQ(entry.size, 1u) << entry.uri;
      }
      query.cursor = page->cursor;
    } while (!query.cursor.empty());
    EXPECT_EQ(listed, expected) << bytes_max;
  }
}

// Writers to both tiers race: afterwards there is one object, that of one of the last writes, and
// readers never miss it.
TEST_F(StoreMemoryTest, RacingWritersLeaveOneObject) {
  ASSERT_TRUE(Put("x", "0").ok());
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) {
      EXPECT_EQ(Open("x").status(), absl::OkStatus());
    }
  });
  std::thread memory([&] {
    for (int i = 0; i < 200; ++i) EXPECT_TRUE(PutFd("x", "m").ok());
  });
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(Put("x", "d").ok());
  memory.join();
  done = true;
  reader.join();
  EXPECT_TRUE(Open("x").ok());
  EXPECT_NE(tier_->Has("x"), OnDisk("x"));
}

}  // namespace
}  // namespace objmapper::storage
