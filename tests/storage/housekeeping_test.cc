// A store that tells the catalog, lists from it and asks for room: the same answers as without one.
#include "storage/catalog/housekeeping.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "net/unique_fd.h"
#include "storage/store/store.h"
#include "storage/tree/reserved_name.h"
#include "tests/net/eventually.h"
#include "tests/storage/each.h"
#include "tests/storage/scratch_root.h"

namespace objmapper::storage {
namespace {

class HousekeepingTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<Tree> tree = Tree::Open(scratch_.path());
    ASSERT_TRUE(tree.ok()) << tree.status();
    tree_.emplace(*std::move(tree));
  }
  // It does not go by what the kernel tells of changes: no directory may be watched.
  void Start(const std::string& evict_at = "", const std::string& refuse_at = "") {
    Housekeeping::Options options;
    options.tree = &*tree_;
    options.rescan = absl::Hours(1);
    options.evict_at = *ParseDiskLevel(evict_at);
    options.refuse_at = *ParseDiskLevel(refuse_at);
    house_ = std::make_unique<Housekeeping>(options);
    tree_->MarkUses(house_->marks());
    store_.emplace(
        Store::Options{.tree = &*tree_, .durability = Durability::kNone, .house = house_.get()});
    house_->Start([this](absl::string_view uri, absl::FunctionRef<bool(int)> wanted) {
      return store_->DeleteIf(uri, wanted);
    });
    ASSERT_TRUE(net::Eventually([this] { return house_->catalog().complete(); }));
  }
  void TearDown() override {
    if (house_ != nullptr) house_->Stop();
  }
  absl::Status Put(const std::string& uri, const std::string& bytes,
                   absl::Duration ttl = absl::InfiniteDuration()) {
    absl::StatusOr<std::unique_ptr<NewObject>> object =
        store_->Begin(uri, bytes.size(), {.ttl = ttl});
    if (!object.ok()) return object.status();
    EXPECT_EQ(pwrite((*object)->fd(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
    return (*object)->Commit();
  }
  // All pages, "uri:size ...", none of them larger than asked for.
  static std::string List(Store* store, const std::string& prefix, size_t bytes_max,
                          absl::string_view refused = "!") {
    std::vector<std::string> entries;
    ListQuery query;
    query.prefix = prefix;
    query.bytes_max = bytes_max;
    do {
      absl::StatusOr<ListPage> page = store->List(
          query, Each([&](absl::string_view uri) { return !absl::StrContains(uri, refused); }));
      EXPECT_TRUE(page.ok()) << page.status();
      if (!page.ok()) break;
      size_t bytes = 0;
      for (const ListEntry& entry : page->entries) {
        bytes += 18 + entry.uri.size();
        entries.push_back(absl::StrCat(entry.uri, ":", entry.size));
      }
      EXPECT_TRUE(bytes <= bytes_max || page->entries.size() == 1) << bytes;
      query.cursor = page->cursor;
    } while (!query.cursor.empty());
    return absl::StrJoin(entries, " ");
  }

  const ScratchRoot scratch_;
  std::optional<Tree> tree_;
  std::unique_ptr<Housekeeping> house_;
  std::optional<Store> store_;
};

// What puts that were killed have left behind is gone once the tree has been walked; what somebody
// is at work with stays.
TEST_F(HousekeepingTest, RemovesLeftovers) {
  scratch_.MakeDirectory("a");
  scratch_.Write("a/.objmapper-1-1-1", "left behind");
  scratch_.Write(".objmapper-2-2-2", "in work");
  const net::UniqueFd held(open(scratch_.PathOf(".objmapper-2-2-2").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(LockReserved(held.get()));
  Start();
  EXPECT_NE(access(scratch_.PathOf("a/.objmapper-1-1-1").c_str(), F_OK), 0);
  EXPECT_EQ(access(scratch_.PathOf(".objmapper-2-2-2").c_str(), F_OK), 0);
}

// What is stored is listed when Commit() returns, and what is deleted is not when Delete() does.
TEST_F(HousekeepingTest, ListsWhatItHasJustDone) {
  Start();
  ASSERT_TRUE(Put("a/b", "123").ok());
  ASSERT_TRUE(Put("/a//c", "1").ok());
  EXPECT_EQ(List(&*store_, "", 1000), "a/b:3 a/c:1");
  ASSERT_TRUE(Put("a/b", "12345").ok());
  EXPECT_EQ(List(&*store_, "a/b", 1000), "a/b:5");
  ASSERT_TRUE(store_->Delete("a/b").ok());
  EXPECT_EQ(List(&*store_, "", 1000), "a/c:1");
  EXPECT_EQ(house_->Read().objects, 1u);
  EXPECT_EQ(house_->Read().bytes, 1u);
}

// The catalog lists what a walk over the tree lists, link by link and page by page, whatever the
// size of the pages.
TEST_F(HousekeepingTest, ListsAsAWalkDoes) {
  for (const char* name : {"d", "d/e", "d-f", "empty"}) scratch_.MakeDirectory(name);
  for (int i = 0; i < 300; ++i) scratch_.Write(absl::StrCat("d/e/", i), std::string(i, 'x'));
  for (const char* name : {"d/z", "d-f/1", "d0", "c"}) scratch_.Write(name, "z");
  scratch_.Link("d/link", "e/7");
  scratch_.Link("d/dangling", "e/none");
  scratch_.Link("d/way", "e");
  scratch_.Link("d/out", scratch_.outside() + "/secret");
  Start();
  Store walking(Store::Options{.tree = &*tree_});
  for (const char* prefix : {"", "d", "d/", "d/e/1", "d/link", "none", "d/e/299"}) {
    for (size_t bytes_max : {1, 100, 1000, 1'000'000}) {
      EXPECT_EQ(List(&*store_, prefix, bytes_max), List(&walking, prefix, bytes_max))
          << prefix << " " << bytes_max;
    }
  }
  EXPECT_EQ(List(&*store_, "", 100, "1"), List(&walking, "", 100, "1"));
  EXPECT_TRUE(absl::StrContains(List(&*store_, "", 1000), "d/link:7"));
}

// A page does not hold up those that change objects: names that come and go while it is asked for
// who may see it.
TEST_F(HousekeepingTest, AFilterMayTakeItsTime) {
  Start();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Put(absl::StrCat(i), "1").ok());
  int asked = 0;
  const auto permitted = [&](absl::string_view) {
    // would wait for itself, were the lock held
    EXPECT_TRUE(Put(absl::StrCat("new", ++asked), "1").ok());
    return false;
  };
  const absl::StatusOr<ListPage> page = store_->List({}, Each(permitted));
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(page->entries.size(), 0u);
  EXPECT_GE(asked, 10);
}

// An object whose time has come is not listed, and soon it is not on the disk either.
TEST_F(HousekeepingTest, ExpiredObjectsGo) {
  Start();
  const absl::Status stored = Put("d/mortal", "1", absl::Seconds(1));
  if (absl::IsUnimplemented(stored)) GTEST_SKIP() << stored;
  ASSERT_TRUE(stored.ok()) << stored;
  ASSERT_TRUE(Put("stays", "1", absl::Hours(1)).ok());
  EXPECT_TRUE(net::Eventually([this] { return access(scratch_.PathOf("d").c_str(), F_OK) != 0; }));
  EXPECT_EQ(List(&*store_, "", 1000), "stays:1");
  EXPECT_TRUE(net::Eventually([this] { return house_->Read().expired == 1; }));
}

// Above the first level objects go by themselves; above the second none is taken until there is
// room again.
TEST_F(HousekeepingTest, KeepsTheLevels) {
  Start("1000", "2000");
  EXPECT_TRUE(absl::IsUnavailable(Put("large", std::string(2001, 'x'))));
  EXPECT_EQ(house_->Read().refused, 1u);
  for (int i = 0; i < 8; ++i) {
    absl::Status stored;
    EXPECT_TRUE(net::Eventually([&] {
      stored = Put(absl::StrCat("o", i), std::string(400, 'x'));
      return !absl::IsUnavailable(stored);
    }));
    EXPECT_TRUE(stored.ok()) << stored;
  }
  EXPECT_TRUE(net::Eventually([this] { return house_->Read().bytes <= 1000; }));
  // They are counted after they are gone.
  EXPECT_TRUE(net::Eventually(
      [this] { return house_->Read().evicted == 6 && house_->Read().evicted_bytes == 2400; }));
}

// An object that takes the name of one that is judged is not removed in its place.
TEST_F(HousekeepingTest, RemovesWhatItHasJudgedOrNothing) {
  Start();
  ASSERT_TRUE(Put("a", "old").ok());
  EXPECT_TRUE(absl::IsAborted(store_->DeleteIf("a", [](int) { return false; })));
  EXPECT_TRUE(absl::IsNotFound(store_->DeleteIf("b", [](int) { return true; })));
  EXPECT_TRUE(absl::IsNotFound(store_->DeleteIf("b/c", [](int) { return true; })));
  struct stat status;
  EXPECT_TRUE(
      store_->DeleteIf("a", [&](int fd) { return fstat(fd, &status) == 0 && status.st_size == 3; })
          .ok());
  EXPECT_EQ(List(&*store_, "", 1000), "");
  EXPECT_EQ(house_->Read().objects, 0u);
}

// What is deleted while somebody has it open is counted until he closes it.
TEST_F(HousekeepingTest, CountsWhatIsDeletedAndOpen) {
  Start();
  ASSERT_TRUE(Put("a", std::string(10'000, 'x')).ok());
  absl::StatusOr<OpenedObject> client = tree_->OpenObject("a", Wait::kMayBlock);
  ASSERT_TRUE(client.ok());
  if (fcntl(client->fd.get(), F_SETLEASE, F_WRLCK) != 0)
    GTEST_SKIP() << "no leases on this file system";
  ASSERT_EQ(fcntl(client->fd.get(), F_SETLEASE, F_UNLCK), 0);
  ASSERT_TRUE(store_->Delete("a").ok());
  EXPECT_EQ(house_->Read().unlinked, 1u);
  client->fd.Reset();
  EXPECT_TRUE(net::Eventually([this] { return house_->Read().unlinked == 0; }));
}

}  // namespace
}  // namespace objmapper::storage
