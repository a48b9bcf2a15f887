// Expiry and eviction on real files, with a clock of the test's own.
#include "storage/catalog/reaper.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "storage/catalog/catalog_feed.h"
#include "storage/tree/attributes.h"
#include "tests/storage/scratch_root.h"
#include "tests/storage/small_disk.h"

namespace objmapper::storage {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kLongAgo = 1'600'000'000;

class UpkeepTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<Tree> tree = Tree::Open(scratch_.path());
    ASSERT_TRUE(tree.ok()) << tree.status();
    tree_.emplace(*std::move(tree));
    Open("", "");
  }

  void Open(const std::string& evict_at, const std::string& refuse_at, Evicts evicts = Evicts::kAll,
            Evictable* others = nullptr) {
    feed_ = std::make_unique<CatalogFeed>(&*tree_, &catalog_);
    if (evicts != Evicts::kAll) feed_->NoteKinds();
    DiskLimits::Options limits;
    limits.tree = &*tree_;
    limits.evict_at = *ParseDiskLevel(evict_at);
    limits.refuse_at = *ParseDiskLevel(refuse_at);
    limits.catalog = &catalog_;
    limits.unlinked = &unlinked_;
    limits.others = others;
    limits_ = std::make_unique<DiskLimits>(limits);
    Reaper::Options options;
    options.catalog = &catalog_;
    options.limits = limits_.get();
    options.unlinked = &unlinked_;
    options.marks = &marks_;
    options.evicts = evicts;
    options.others = others;
    options.evicted = [this](absl::string_view uri, uint64_t bytes) {
      absl::StrAppend(&evicted_, uri, ":", bytes, " ");
    };
    options.unix_seconds = [this] { return now_s_; };
    options.delete_if = [this](absl::string_view uri,
                               absl::FunctionRef<bool(int fd)> wanted) -> absl::Status {
      if (delete_fails_) return absl::PermissionDeniedError("not today");
      const std::string path = scratch_.PathOf(uri);
      net::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!fd.valid()) return absl::NotFoundError("none");
      const bool goes = wanted(fd.get());
      if (goes && unlink(path.c_str()) != 0) return absl::InternalError("unlink");
      feed_->Refresh(uri);
      if (goes) unlinked_.Take(std::move(fd));
      return goes ? absl::OkStatus() : absl::AbortedError("not wanted");
    };
    upkeep_ = std::make_unique<Reaper>(std::move(options));
    catalog_.SetComplete();
  }

  // An object whose last use is so many seconds after a time long ago.
  void Put(const std::string& uri, size_t size, int64_t used) {
    scratch_.Write(uri, std::string(size, 'x'));
    const timespec time = {kLongAgo + used, 0};
    const timespec times[] = {time, time};
    ASSERT_EQ(utimensat(AT_FDCWD, scratch_.PathOf(uri).c_str(), times, 0), 0);
    feed_->Refresh(uri);
  }
  // The same of one that an origin has sent; false: there are no extended attributes here.
  bool PutFetched(const std::string& uri, size_t size, int64_t used, bool pinned = false) {
    scratch_.Write(uri, std::string(size, 'x'));
    const net::UniqueFd file(open(scratch_.PathOf(uri).c_str(), O_RDWR | O_CLOEXEC));
    if (!SetOriginMark(file.get(), "1").ok()) return false;
    EXPECT_TRUE(!pinned || SetPinned(file.get(), true).ok());
    const timespec times[] = {{kLongAgo + used, 0}, {kLongAgo + used, 0}};
    EXPECT_EQ(futimens(file.get(), times), 0);
    feed_->Refresh(uri);
    return true;
  }
  bool PutMortal(const std::string& uri, int64_t expires_s) {
    scratch_.Write(uri, "x");
    const std::string text = absl::StrCat(expires_s);
    const std::string path = scratch_.PathOf(uri);
    if (setxattr(path.c_str(), "user.objmapper.expires", text.data(), text.size(), 0) != 0)
      return false;
    EXPECT_EQ(chmod(path.c_str(), 01644), 0);
    feed_->Refresh(uri);
    return true;
  }
  // Until it has nothing to do at once.
  void DoAll() {
    int64_t next_ns;
    do {
      next_ns = upkeep_->Do(now_ns_);
    } while (next_ns <= now_ns_);
    EXPECT_LE(next_ns, now_ns_ + kSecondNs);
  }
  void Pass(int64_t seconds) {
    now_ns_ += seconds * kSecondNs;
    now_s_ += seconds;
  }
  // What is in the catalog, which is what is on the disk.
  std::string Uris() const {
    std::vector<std::string> uris;
    catalog_.ForEach("", "", [&](const Catalog::Object& object) {
      EXPECT_EQ(access(scratch_.PathOf(object.uri).c_str(), F_OK), 0) << object.uri;
      uris.push_back(object.uri);
      return true;
    });
    return absl::StrJoin(uris, " ");
  }

  const ScratchRoot scratch_;
  std::optional<Tree> tree_;
  Catalog catalog_;
  UnlinkedFiles unlinked_{10};
  UseMarks marks_;
  std::unique_ptr<CatalogFeed> feed_;
  std::unique_ptr<DiskLimits> limits_;
  std::unique_ptr<Reaper> upkeep_;
  int64_t now_ns_ = 1000 * kSecondNs;
  int64_t now_s_ = 2'000'000'000;
  std::string evicted_;  // what, and how many bytes
  bool delete_fails_ = false;
};

// An object goes when its time has come, not before; others stay.
TEST_F(UpkeepTest, RemovesWhatHasExpired) {
  if (!PutMortal("a", now_s_ + 10))
    GTEST_SKIP() << "no extended attributes here: " << strerror(errno);
  PutMortal("b", now_s_ + 20);
  Put("c", 1, 0);
  Pass(9);
  DoAll();
  EXPECT_EQ(Uris(), "a b c");
  Pass(1);
  DoAll();
  EXPECT_EQ(Uris(), "b c");
  EXPECT_EQ(upkeep_->expired(), 1u);
  Pass(100);
  DoAll();
  EXPECT_EQ(Uris(), "c");
}

// An object that has taken an expired one's name is not taken for it, although the catalog has not
// heard of it.
TEST_F(UpkeepTest, SparesTheSuccessorOfWhatHasExpired) {
  if (!PutMortal("a", now_s_ + 10))
    GTEST_SKIP() << "no extended attributes here: " << strerror(errno);
  unlink(scratch_.PathOf("a").c_str());
  scratch_.Write("a", "immortal");
  Pass(20);
  DoAll();
  EXPECT_EQ(Uris(), "a");
  EXPECT_TRUE(catalog_.Expired(UINT32_MAX, 1).empty());
  EXPECT_EQ(upkeep_->expired(), 0u);
}

// What cannot be removed is tried again later, not all the time; many are removed in one go.
TEST_F(UpkeepTest, TriesAgainLater) {
  if (!PutMortal("a", now_s_ + 1))
    GTEST_SKIP() << "no extended attributes here: " << strerror(errno);
  for (int i = 0; i < 200; ++i) PutMortal(absl::StrCat("m", i), now_s_ + 1);
  Pass(2);
  delete_fails_ = true;
  DoAll();
  EXPECT_EQ(upkeep_->expired(), 0u);
  delete_fails_ = false;
  Pass(60);
  DoAll();
  EXPECT_EQ(Uris(), "");
  EXPECT_EQ(upkeep_->expired(), 201u);
}

// Above the level the ones that were used longest ago go, the larger of two first, and no more than
// have to.
TEST_F(UpkeepTest, EvictsWhatWasUsedLongestAgo) {
  Open("1000", "2000");
  Put("new", 400, 50);
  Put("old", 400, 10);
  Put("older", 10, 5);
  Put("older-large", 100, 5);
  Put("middle", 400, 20);
  DoAll();
  EXPECT_EQ(Uris(), "middle new");
  EXPECT_EQ(upkeep_->eviction().evicted(), 3u);
  EXPECT_EQ(upkeep_->eviction().evicted_bytes(), 510u);
}

// An object that was being stored while others went, and is there afterwards, is no reason to wait
// for their bytes.
TEST_F(UpkeepTest, AnObjectOnItsWayHoldsNothingUp) {
  Open("1000", "");
  Put("a", 400, 1);
  Put("b", 400, 2);
  Put("c", 400, 3);
  DiskLimits::Room room = limits_->Open("");
  ASSERT_TRUE(room.Extend(400).ok());
  DoAll();
  EXPECT_EQ(Uris(), "b c");
  Put("d", 400, 4);
  room = DiskLimits::Room();
  Pass(1);
  DoAll();
  EXPECT_EQ(Uris(), "c d");
}

// A use that a lane has marked counts, in whatever spelling.
TEST_F(UpkeepTest, SparesWhatIsMarked) {
  Open("1000", "2000");
  Put("a", 600, 10);
  Put("b", 600, 20);
  marks_.Used("//a");
  DoAll();
  EXPECT_EQ(Uris(), "a");
}

// What was read past the server, as the file system says, has a second chance; the next one goes in
// its place.
TEST_F(UpkeepTest, SparesWhatWasReadElsewhere) {
  Open("1000", "2000");
  Put("a", 600, 10);
  Put("b", 600, 20);
  const timespec times[] = {{kLongAgo + 30, 0}, {kLongAgo + 10, 0}};  // read, written
  ASSERT_EQ(utimensat(AT_FDCWD, scratch_.PathOf("a").c_str(), times, 0), 0);
  DoAll();
  EXPECT_EQ(Uris(), "a");
}

// Nothing goes as long as the catalog is not whole, and nothing when there is no such level.
TEST_F(UpkeepTest, EvictsNothingWithoutALevel) {
  Open("", "100");
  Put("a", 600, 10);
  DoAll();
  EXPECT_EQ(Uris(), "a");
}

// When nothing can be deleted it rests, and goes on later.
TEST_F(UpkeepTest, RestsWhenNothingCanBeEvicted) {
  Open("1000", "2000");
  for (int i = 0; i < 300; ++i) Put(absl::StrCat(i), 100, i);
  delete_fails_ = true;
  DoAll();
  EXPECT_EQ(upkeep_->eviction().evicted(), 0u);
  delete_fails_ = false;
  Pass(60);
  DoAll();
  EXPECT_EQ(catalog_.bytes(), 1000u);
}

// On a file system that is full the level is reached by as many deletions as it takes, and no more.
TEST_F(UpkeepTest, EvictsUntilTheFileSystemIsBelow) {
  const SmallDisk disk(scratch_.path(), "16m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  absl::StatusOr<Tree> tree = Tree::Open(scratch_.path());
  tree_.emplace(*std::move(tree));
  Open("50%", "90%");
  for (int i = 0; i < 12; ++i) Put(absl::StrCat("o", 10 + i), 1 << 20, i);
  DoAll();
  EXPECT_EQ(limits_->Ask().excess, 0u);
  EXPECT_GE(upkeep_->eviction().evicted(), 4u);
  EXPECT_LE(upkeep_->eviction().evicted(), 5u);
  EXPECT_EQ(Uris().substr(Uris().size() - 3), "o21");
}

// What clients still have open does not come back when it is deleted: the rest of the objects does
// not go for it.
TEST_F(UpkeepTest, DoesNotEvictMoreForWhatIsHeldOpen) {
  const SmallDisk disk(scratch_.path(), "16m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  absl::StatusOr<Tree> tree = Tree::Open(scratch_.path());
  tree_.emplace(*std::move(tree));
  Open("50%", "90%");
  std::vector<net::UniqueFd> clients;
  for (int i = 0; i < 12; ++i) {
    Put(absl::StrCat("o", 10 + i), 1 << 20, i);
    clients.emplace_back(
        open(scratch_.PathOf(absl::StrCat("o", 10 + i)).c_str(), O_RDONLY | O_CLOEXEC));
  }
  DoAll();
  Pass(100);
  DoAll();
  EXPECT_GE(catalog_.objects(), 7u);
  EXPECT_EQ(unlinked_.files(), 12 - catalog_.objects());
  clients.clear();
  Pass(1);
  DoAll();
  EXPECT_EQ(unlinked_.files(), 0u);
  EXPECT_GE(catalog_.objects(), 7u);
}

// Once more removed files are open than can be told apart, what somebody has open does not go: its
// bytes would be gone from sight, and everything else would follow them. What nobody has open does.
TEST_F(UpkeepTest, EvictsNothingMoreThatIsHeldOpen) {
  std::vector<net::UniqueFd> held;
  for (int i = 0; i < 10; ++i) {
    scratch_.Write("removed", "x");
    net::UniqueFd own(open(scratch_.PathOf("removed").c_str(), O_RDONLY | O_CLOEXEC));
    held.emplace_back(open(scratch_.PathOf("removed").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(unlink(scratch_.PathOf("removed").c_str()), 0);
    unlinked_.Take(std::move(own));
  }
  if (!unlinked_.full()) GTEST_SKIP() << "no leases on this file system";
  Open("1000", "2000");
  for (int i = 0; i < 200; ++i) {
    Put(absl::StrCat("held", 100 + i), 10, i);
    held.emplace_back(
        open(scratch_.PathOf(absl::StrCat("held", 100 + i)).c_str(), O_RDONLY | O_CLOEXEC));
  }
  for (int i = 0; i < 5; ++i) Put(absl::StrCat("free", i), 100, 1000 + i);
  DoAll();
  EXPECT_EQ(catalog_.objects(), 200u);
  EXPECT_EQ(upkeep_->eviction().evicted(), 5u);
  held.clear();
  Pass(60);
  DoAll();
  EXPECT_EQ(catalog_.bytes(), 1000u);
}

// What an origin has sent goes before this disk's own, however lately it was used; what is pinned
// stays, whosever it is, and so do the disk's own where they are not to go.
TEST_F(UpkeepTest, EvictsByKind) {
  for (const Evicts evicts : {Evicts::kAll, Evicts::kFetchedFirst, Evicts::kFetchedOnly}) {
    Open("250", "", evicts);
    if (!PutFetched("fetched-new", 100, 50)) GTEST_SKIP() << "no extended attributes here";
    PutFetched("fetched-pinned", 100, 5, /*pinned=*/true);
    PutFetched("fetched-old", 100, 20);
    Put("own-new", 100, 40);
    Put("own-old", 100, 10);
    EXPECT_EQ(catalog_.fetched(), evicts == Evicts::kAll ? 0u : 3u);
    DoAll();
    EXPECT_EQ(Uris(), evicts == Evicts::kAll            ? "fetched-new own-new"
                      : evicts == Evicts::kFetchedFirst ? "fetched-pinned own-new"
                                                        : "fetched-pinned own-new own-old");
    for (const char* uri : {"fetched-new", "fetched-pinned", "own-new", "own-old"}) {
      unlink(scratch_.PathOf(uri).c_str());
      feed_->Refresh(uri);
    }
    EXPECT_EQ(catalog_.objects(), 0u);
    EXPECT_EQ(catalog_.fetched(), 0u);
    Pass(100);
  }
}

// A walk notes kinds too, and what is fetched after this disk's own were chosen still goes before
// them.
TEST_F(UpkeepTest, WhatIsFetchedLaterGoesFirst) {
  Open("1000", "", Evicts::kFetchedFirst);
  for (int i = 0; i < 4; ++i) Put(absl::StrCat("own", i), 400, i);
  DoAll();
  EXPECT_EQ(Uris(), "own2 own3");
  if (!PutFetched("fetched", 400, 100)) GTEST_SKIP() << "no extended attributes here";
  Pass(100);
  DoAll();
  EXPECT_EQ(Uris(), "own2 own3");
  PutFetched("walked", 100, 100);
  CatalogFeed walker(&*tree_, &catalog_);
  walker.NoteKinds();
  absl::StatusOr<net::UniqueFd> root = walker.OpenDirectory("");
  ASSERT_TRUE(walker.Read(
      *std::move(root), "", [](std::string) {}, [] { return true; }));
  EXPECT_TRUE(catalog_.Find("walked")->fetched);
  EXPECT_FALSE(catalog_.Find("own2")->fetched);
}

// What was pinned past the catalog's knowledge stays, and the catalog learns of it.
TEST_F(UpkeepTest, SparesWhatWasPinnedJustNow) {
  Open("250", "", Evicts::kFetchedOnly);
  if (!PutFetched("a", 200, 1)) GTEST_SKIP() << "no extended attributes here";
  PutFetched("b", 200, 2);
  const net::UniqueFd file(open(scratch_.PathOf("a").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(SetPinned(file.get(), true).ok());
  DoAll();
  EXPECT_EQ(Uris(), "a");
  EXPECT_TRUE(catalog_.Find("a")->pinned);
}

// A pile of things that are no objects: each is a time of use, and takes 100 bytes.
class Pile : public Evictable {
 public:
  explicit Pile(std::vector<uint32_t> uses) : uses_(std::move(uses)) {}
  uint64_t bytes() const override { return 100 * uses_.size(); }
  std::optional<uint32_t> OldestUse() const override {
    if (uses_.empty() || stuck_) return std::nullopt;
    return uses_.front();
  }
  uint64_t pinned_bytes() const override { return 0; }
  uint64_t EvictOldest(std::string* uri) override {
    *uri = "another";
    uses_.erase(uses_.begin());
    return 100;
  }
  std::vector<uint32_t> uses_;
  bool stuck_ = false;
};

// What is in no catalog counts, and goes in its turn: no more of it than has to, and nothing at all
// while it may not.
TEST_F(UpkeepTest, EvictsOthersInTheirTurn) {
  constexpr uint32_t kThen = static_cast<uint32_t>(kLongAgo);
  Pile pile({kThen + 5, kThen + 15, kThen + 60});
  Open("400", "500", Evicts::kAll, &pile);
  Put("a", 100, 10);
  Put("b", 100, 20);
  Put("c", 100, 30);
  EXPECT_EQ(limits_->used(), 600u);
  EXPECT_FALSE(limits_->Check(1).ok()) << "they count against the second level too";
  DoAll();
  EXPECT_EQ(Uris(), "b c");
  EXPECT_EQ(pile.uses_, (std::vector<uint32_t>{kThen + 15, kThen + 60}));
  EXPECT_EQ(upkeep_->eviction().evicted_bytes(), 200u);
  EXPECT_EQ(evicted_, "another:100 a:100 ");
  pile.stuck_ = true;
  Put("d", 100, 70);
  Pass(1);
  DoAll();
  EXPECT_EQ(Uris(), "c d");
  EXPECT_EQ(pile.uses_.size(), 2u);
}

}  // namespace
}  // namespace objmapper::storage
