// The shelf: what is on it counts, goes in its turn, and answers to exactly its URI.
#include "origin/cache/shelf.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/unique_fd.h"
#include "storage/catalog/housekeeping.h"
#include "storage/tree/attributes.h"
#include "tests/net/eventually.h"
#include "tests/origin/cache/partial_fixture.h"

namespace objmapper::origin {
namespace {

constexpr size_t kBlock = 4096;
using Kind = Shelf::Kind;

class ShelfTest : public PartialTest {
 protected:
  void SetUp() override {
    PartialTest::SetUp();
    if (IsSkipped()) return;
    shelf_ = std::make_unique<Shelf>(&*tree_);
    options_.shelf = shelf_.get();
  }
  // Leaves one block of `uri` that was last used so many seconds after a time long ago.
  void LeavePart(const std::string& uri, int64_t used) {
    const std::string content = Content(2 * kBlock);
    {
      const Part part = OpenPart(IdentityOf(uri, content));
      Fill(part.get(), content, 0);
    }
    SetUsed(Kind::kPart, uri, PathOfPart(uri), used);
  }
  void Publish(const std::string& uri, int64_t used) {
    const std::string content = Content(2 * kBlock, used);
    const Part part = OpenPart(IdentityOf(uri, content));
    FillAll(part.get(), content);
    const absl::StatusOr<std::string> place = part->Publish({});
    ASSERT_TRUE(place.ok()) << place.status();
    SetUsed(Kind::kWhole, uri, scratch_.PathOf(*place), used);
  }
  void SetUsed(Kind kind, const std::string& uri, const std::string& path, int64_t used) {
    const net::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const timespec times[] = {{1'600'000'000 + used, 0}, {0, UTIME_OMIT}};
    const timespec old[] = {{1'600'000'000 + used, 0}, {1'600'000'000, 0}};
    ASSERT_EQ(futimens(file.get(), kind == Kind::kPart ? old : times), 0);
    shelf_->Put(LookAt(kind, uri, file.get()));
  }
  bool Has(Kind kind, const std::string& uri) const { return shelf_->Find(kind, uri).has_value(); }

  std::unique_ptr<Shelf> shelf_;
};

// What a fill leaves is on the shelf, what it becomes is not, but for what no catalog has; a start
// finds the same.
TEST_F(ShelfTest, LearnsWhatBecomesOfFills) {
  LeavePart("a", 1);
  EXPECT_TRUE(Has(Kind::kPart, "a"));
  EXPECT_GE(shelf_->bytes(), kBlock);
  Publish("x//y", 2);
  EXPECT_TRUE(Has(Kind::kWhole, "x//y"));
  const uint64_t bytes = shelf_->bytes();
  Shelf anew(&*tree_);
  ASSERT_TRUE(anew.Load().ok());
  EXPECT_EQ(anew.bytes(), bytes);
  EXPECT_EQ(anew.OldestUse(), shelf_->OldestUse());
  const std::string content = Content(2 * kBlock);
  Part part = OpenPart(IdentityOf("a", content));
  Fill(part.get(), content, 1);
  EXPECT_EQ(shelf_->bytes(), bytes) << "it is counted as its room is, and not twice";
  ASSERT_TRUE(part->Publish({}).ok());
  EXPECT_FALSE(Has(Kind::kPart, "a"));
  EXPECT_FALSE(Has(Kind::kWhole, "a"));
}

// An object under an encoded name answers to its URI and to no other; damaged, it is gone.
TEST_F(ShelfTest, AnswersToExactlyTheUri) {
  Publish("x//y", 1);
  for (const char* uri : {"x//y", "/x//y"}) {
    const absl::StatusOr<storage::OpenedObject> object = shelf_->OpenWhole(uri);
    ASSERT_TRUE(object.ok()) << object.status();
    EXPECT_EQ(storage::ReadAll(object->fd.get()), Content(2 * kBlock, 1));
    EXPECT_EQ(object->info.size, 2 * kBlock);
    EXPECT_EQ(fcntl(object->fd.get(), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
  }
  for (const char* uri : {"x/y", "x//y/", "X//y", "x//", "", ".."})
    EXPECT_TRUE(absl::IsNotFound(shelf_->OpenWhole(uri).status())) << uri;
  // under the name of another
  ASSERT_EQ(link(scratch_.PathOf(EncodedPlace("x//y")).c_str(),
                 scratch_.PathOf(EncodedPlace("x//z")).c_str()),
            0);
  EXPECT_TRUE(absl::IsNotFound(shelf_->OpenWhole("x//z").status()));
  const uint64_t changes = tree_->changes();
  ASSERT_EQ(truncate(scratch_.PathOf(EncodedPlace("x//y")).c_str(), 10), 0);
  EXPECT_TRUE(absl::IsNotFound(shelf_->OpenWhole("x//y").status()));
  EXPECT_FALSE(Has(Kind::kWhole, "x//y"));
  EXPECT_GT(tree_->changes(), changes);
}

// What was used longest ago goes first; what is in work, pinned, or was read since does not.
TEST_F(ShelfTest, EvictsInOrder) {
  const std::string content = Content(2 * kBlock);
  Publish("x//pinned", 1);
  LeavePart("held", 2);
  LeavePart("read", 3);
  LeavePart("old", 4);
  Publish("x//used", 5);
  Publish("x//new", 6);
  {
    const net::UniqueFd file(
        open(scratch_.PathOf(EncodedPlace("x//pinned")).c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(storage::SetPinned(file.get(), true).ok());
  }
  const Part held = OpenPart(IdentityOf("held", content));
  const timespec now[] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
  ASSERT_EQ(utimensat(AT_FDCWD, PathOfPart("read").c_str(), now, 0), 0);
  ASSERT_TRUE(shelf_->OpenWhole("x//used").ok());
  std::vector<uint64_t> freed;
  // the pinned one and the one that was read have a second chance
  std::string evicted;
  for (int i = 0; i < 4; ++i) freed.push_back(shelf_->EvictOldest(&evicted));
  EXPECT_EQ(evicted, "x//new");
  EXPECT_GT(shelf_->pinned_bytes(), 0u);
  EXPECT_EQ(freed[0], 0u);
  EXPECT_EQ(freed[1], 0u);
  EXPECT_GE(freed[2], kBlock);
  EXPECT_GE(freed[3], kBlock);
  EXPECT_FALSE(Has(Kind::kPart, "old"));
  EXPECT_NE(access(PathOfPart("old").c_str(), F_OK), 0);
  EXPECT_FALSE(Has(Kind::kWhole, "x//new"));
  for (int i = 0; i < 10; ++i) shelf_->EvictOldest(&evicted);
  EXPECT_EQ(shelf_->OldestUse(), std::nullopt);
  EXPECT_TRUE(Has(Kind::kWhole, "x//pinned"));
  EXPECT_TRUE(Has(Kind::kPart, "held"));
  EXPECT_EQ(Missing(held.get()), (Ranges{{kBlock, 2 * kBlock}}));
}

// Names in order, page by page.
TEST_F(ShelfTest, Lists) {
  for (const char* uri : {"a", "b//1", "b//2", "b//3", "c"})
    shelf_->Put({.kind = Kind::kWhole, .uri = uri, .bytes = 1});
  shelf_->Put({.kind = Kind::kPart, .uri = "b//0"});
  std::vector<std::string> uris;
  std::string after;
  while (true) {
    const std::vector<Found> page = shelf_->List(Kind::kWhole, "b//", after, 2);
    if (page.empty()) break;
    for (const Found& found : page) uris.push_back(found.uri);
    after = uris.back();
  }
  EXPECT_EQ(uris, (std::vector<std::string>{"b//1", "b//2", "b//3"}));
}

// All together: a server whose disk may hold 64 KiB of objects. What comes from the origin is kept
// below that, parts, paths and awkward keys alike; this disk's own stays; what would be more by
// itself is refused with the reason, and its reader does without the cache.
TEST_F(ShelfTest, StaysBelowTheLimit) {
  storage::Housekeeping::Options options;
  options.tree = &*tree_;
  options.rescan = absl::Hours(1);
  options.evict_at = *storage::ParseDiskLevel("64K");
  options.refuse_at = *storage::ParseDiskLevel("128K");
  options.evicts = storage::Evicts::kFetchedOnly;
  options.others = shelf_.get();
  scratch_.Write("own", std::string(20'000, 'x'));
  storage::Housekeeping house(options);
  OpenStore(&house);
  options_.shelf = shelf_.get();
  house.Start([this](absl::string_view uri, absl::FunctionRef<bool(int)> wanted) {
    return store_->DeleteIf(uri, wanted);
  });
  ASSERT_TRUE(net::Eventually([&] { return house.catalog().complete(); }));
  const std::string content = Content(4 * kBlock);
  for (int i = 0; i < 12; ++i) {
    const std::string uri = absl::StrCat(i % 3 == 0 ? "x//" : "plain/", i);
    ASSERT_TRUE(net::Eventually([&] {
      // where there is no room yet, objects are going
      const absl::StatusOr<Part> opened = PartialObject::Open(options_, IdentityOf(uri, content));
      if (!opened.ok() || !(*opened)->Reserve(content.size()).ok()) return false;
      const Part& part = *opened;
      if (i % 3 == 1) {
        Fill(part.get(), content, 0);
        return true;
      }
      FillAll(part.get(), content);
      return part->Publish({}).ok();
    })) << uri;
  }
  const uint64_t limit = 64 * 1024;
  EXPECT_TRUE(net::Eventually([&] { return house.limits().used() <= limit; }))
      << house.limits().used();
  EXPECT_GT(house.Read().evicted, 0u);
  EXPECT_EQ(ContentOf("own"), std::string(20'000, 'x'));
  Identity large = IdentityOf("large", content);
  large.size = limit + 1;
  EXPECT_EQ(PartialObject::Open(options_, large).status().code(), absl::StatusCode::kUnavailable);
  house.Stop();
}

}  // namespace
}  // namespace objmapper::origin
