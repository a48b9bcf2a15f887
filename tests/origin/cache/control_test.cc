// What an operator is told of an object that is here, in whichever place, and what he may do with
// it: this disk's own stays whatever he says.
#include "origin/cache/control.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "net/unique_fd.h"
#include "storage/tree/attributes.h"
#include "tests/net/eventually.h"
#include "tests/origin/cache/partial_fixture.h"

namespace objmapper::origin {
namespace {

constexpr size_t kBlock = 4096;
using Kind = Shelf::Kind;
using State = Holding::State;

class ControlTest : public PartialTest {
 protected:
  void SetUp() override {
    PartialTest::SetUp();
    if (IsSkipped()) return;
    shelf_ = std::make_unique<Shelf>(&*tree_);
    Connect(nullptr);
  }
  void Connect(storage::Housekeeping* house) {
    OpenStore(house);
    options_.shelf = shelf_.get();
    control_ = std::make_unique<Control>(Control::Parts{&*tree_, &*store_, house, shelf_.get()});
  }
  // Two blocks of `uri`, of which the first so many are here.
  Part Begin(const std::string& uri, uint64_t blocks, const char* etag = "\"v1\"") {
    const std::string content = Content(2 * kBlock);
    Part part = OpenPart(IdentityOf(uri, content, etag));
    for (uint64_t block = 0; part != nullptr && block < blocks; ++block)
      Fill(part.get(), content, block);
    return part;
  }
  void Publish(const std::string& uri) {
    const absl::StatusOr<std::string> place =
        Begin(uri, 2)->Publish({.fetched_s = 1'700'000'000, .checked_s = 1'700'000'100});
    ASSERT_TRUE(place.ok()) << place.status();
  }
  Holding Look(const std::string& uri) {
    absl::StatusOr<Holding> holding = control_->Look(uri);
    EXPECT_TRUE(holding.ok()) << holding.status();
    return holding.value_or(Holding());
  }
  bool IsHere(const std::string& uri) { return control_->Look(uri).ok(); }
  // Refused, with a sentence that names the object and says why.
  static void ExpectRefused(const absl::Status& status, const std::string& uri, const char* why) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), uri)) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), why)) << status;
  }
  bool IsPinnedAt(const std::string& path) const {
    const net::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_TRUE(file.valid()) << path;
    return storage::IsPinned(file.get());
  }

  std::unique_ptr<Shelf> shelf_;
  std::unique_ptr<Control> control_;
};

// Under its path or an encoded name, whole or in part: where it came from, and how much is here.
TEST_F(ControlTest, Looks) {
  for (const std::string uri : {"a/b", "x//y"}) {
    SCOPED_TRACE(uri);
    Publish(uri);
    const Holding whole = Look("/" + uri);
    EXPECT_EQ(whole.state, State::kWhole);
    EXPECT_EQ(whole.encoded, uri == "x//y");
    EXPECT_EQ(whole.size, 2 * kBlock);
    EXPECT_EQ(whole.bytes_here, 2 * kBlock);
    EXPECT_EQ(whole.source, "s3://bucket/" + uri);
    EXPECT_EQ(whole.etag, "\"v1\"");
    EXPECT_EQ(whole.last_modified_s, 1'600'000'000);
    EXPECT_EQ(whole.fetched_s, 1'700'000'000);
    EXPECT_EQ(whole.checked_s, 1'700'000'100);
    EXPECT_FALSE(whole.pinned);
    EXPECT_FALSE(whole.filling);
    {
      const Part newer = Begin(uri, 1, "\"v2\"");
      EXPECT_TRUE(Look(uri).filling);
      EXPECT_EQ(Look(uri).etag, "\"v1\"") << "what is served counts";
    }
    EXPECT_FALSE(Look(uri).filling);
  }
  {
    const Part part = Begin("part", 1);
    const Holding coming = Look("part");
    EXPECT_EQ(coming.state, State::kPart);
    EXPECT_TRUE(coming.filling);
    EXPECT_EQ(coming.size, 2 * kBlock);
    EXPECT_EQ(coming.bytes_here, kBlock);
    EXPECT_EQ(coming.source, "s3://bucket/part");
  }
  EXPECT_EQ(Look("part").bytes_here, kBlock);
  EXPECT_FALSE(Look("part").filling);
}

// That it is looked at is no use of it, and is in no fill's way.
TEST_F(ControlTest, LookingLeavesAllAsItIs) {
  Publish("x//y");
  { const Part part = Begin("part", 1); }
  const std::optional<uint32_t> oldest = shelf_->OldestUse();
  const uint64_t changes = tree_->changes();
  struct stat before, after;
  ASSERT_EQ(stat(scratch_.PathOf(EncodedPlace("x//y")).c_str(), &before), 0);
  Look("x//y");
  Look("part");
  ASSERT_EQ(stat(scratch_.PathOf(EncodedPlace("x//y")).c_str(), &after), 0);
  EXPECT_EQ(after.st_atim.tv_sec, before.st_atim.tv_sec);
  EXPECT_EQ(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
  EXPECT_EQ(shelf_->OldestUse(), oldest);
  EXPECT_EQ(tree_->changes(), changes);
  EXPECT_NE(Begin("part", 2), nullptr);
}

// This disk's own, be it a copy of an origin's object, mark and all, or lead to one, is looked at,
// may be pinned, and is never evicted.
TEST_F(ControlTest, ThisDisksOwnStays) {
  scratch_.Write("own", "of this disk");
  Publish("fetched");
  ASSERT_EQ(link(scratch_.PathOf("fetched").c_str(), scratch_.PathOf("copy").c_str()), 0);
  ASSERT_EQ(symlink("fetched", scratch_.PathOf("leads_there").c_str()), 0);
  for (const std::string uri : {"own", "copy", "leads_there"}) {
    SCOPED_TRACE(uri);
    const Holding own = Look(uri);
    EXPECT_EQ(own.state, State::kOwn);
    EXPECT_EQ(own.source, "");
    for (const bool force : {false, true})
      ExpectRefused(control_->Evict(uri, force).status(), uri, "this disk's own");
    EXPECT_TRUE(IsHere(uri));
  }
  EXPECT_EQ(ContentOf("own"), "of this disk");
  ASSERT_TRUE(control_->SetPinned("own", true).ok());
  EXPECT_TRUE(Look("own").pinned);
}

// What is not here, or cannot be, is said to be so by each call.
TEST_F(ControlTest, NothingIsHere) {
  ASSERT_TRUE(std::filesystem::create_directory(scratch_.PathOf("folder")));
  scratch_.Write("folder/own", "x");
  Publish("a");
  const std::vector<std::pair<std::string, absl::StatusCode>> cases = {
      {"", absl::StatusCode::kInvalidArgument},
      {std::string("a\0b", 3), absl::StatusCode::kInvalidArgument},
      {"/", absl::StatusCode::kNotFound},
      {"b", absl::StatusCode::kNotFound},
      {"a/b", absl::StatusCode::kNotFound},
      {"a/", absl::StatusCode::kNotFound},
      {"x//y", absl::StatusCode::kNotFound},
      {"folder", absl::StatusCode::kNotFound},
      {"folder/../a", absl::StatusCode::kNotFound},
      {"../a", absl::StatusCode::kNotFound},
      {PartFolder(), absl::StatusCode::kNotFound},
      {std::string(300, 'n'), absl::StatusCode::kNotFound},
  };
  for (const auto& [uri, code] : cases) {
    EXPECT_EQ(control_->Look(uri).status().code(), code) << uri;
    EXPECT_EQ(control_->SetPinned(uri, true).code(), code) << uri;
    EXPECT_EQ(control_->Evict(uri, true).status().code(), code) << uri;
  }
  EXPECT_TRUE(IsHere("a"));
}

// Objects go from each of their places, and what has been fetched of a newer version with them; the
// shelf and caches learn of it. A reader keeps what he has.
TEST_F(ControlTest, Evicts) {
  for (const std::string uri : {"folder/a", "x//y"}) {
    SCOPED_TRACE(uri);
    Publish(uri);
    { const Part newer = Begin(uri, 1, "\"v2\""); }
    EXPECT_EQ(access(PathOfPart(uri).c_str(), F_OK), 0);
    const absl::StatusOr<storage::OpenedObject> reader =
        uri == "x//y" ? shelf_->OpenWhole(uri) : tree_->OpenObject(uri, storage::Wait::kMayBlock);
    ASSERT_TRUE(reader.ok());
    const uint64_t changes = tree_->changes();
    const absl::StatusOr<uint64_t> freed = control_->Evict("/" + uri, false);
    ASSERT_TRUE(freed.ok()) << freed.status();
    EXPECT_GE(*freed, 3 * kBlock);
    EXPECT_GT(tree_->changes(), changes);
    EXPECT_FALSE(IsHere(uri));
    EXPECT_NE(access(PathOfPart(uri).c_str(), F_OK), 0);
    EXPECT_NE(access(PathOfMap(uri).c_str(), F_OK), 0);
    EXPECT_TRUE(absl::IsNotFound(control_->Evict(uri, false).status()));
    EXPECT_EQ(storage::ReadAll(reader->fd.get()), Content(2 * kBlock));
  }
  { const Part part = Begin("part", 1); }
  const absl::StatusOr<uint64_t> freed = control_->Evict("part", false);
  ASSERT_TRUE(freed.ok()) << freed.status();
  EXPECT_GE(*freed, kBlock);
  EXPECT_FALSE(IsHere("part"));
  EXPECT_EQ(shelf_->bytes(), 0u);
}

// What is being filled is let go by whoever fills it.
TEST_F(ControlTest, WhatIsBeingFetchedStays) {
  Publish("a");
  const Part newer = Begin("a", 1, "\"v2\"");
  const Part first = Begin("b", 0);
  for (const std::string uri : {"a", "b"}) {
    for (const bool force : {false, true})
      ExpectRefused(control_->Evict(uri, force).status(), uri, "being fetched");
  }
  EXPECT_EQ(ContentOf("a"), Content(2 * kBlock));
  Fill(newer.get(), Content(2 * kBlock), 1);
  EXPECT_TRUE(newer->Publish({}).ok());
  EXPECT_EQ(Look("a").etag, "\"v2\"");
}

// A pin is on the disk, whoever evicts knows of it, and only force goes over it.
TEST_F(ControlTest, Pins) {
  storage::Housekeeping::Options options;
  options.tree = &*tree_;
  options.rescan = absl::Hours(1);
  options.evict_at = *storage::ParseDiskLevel("1T");
  options.evicts = storage::Evicts::kFetchedOnly;
  options.others = shelf_.get();
  storage::Housekeeping house(options);
  Connect(&house);
  house.Start([this](absl::string_view uri, absl::FunctionRef<bool(int)> wanted) {
    return store_->DeleteIf(uri, wanted);
  });
  ASSERT_TRUE(net::Eventually([&] { return house.catalog().complete(); }));
  Publish("a");
  Publish("x//y");
  { const Part part = Begin("part", 1); }
  for (const std::string uri : {"a", "x//y", "part"}) {
    SCOPED_TRACE(uri);
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(control_->SetPinned(uri, true).ok());
    EXPECT_TRUE(Look(uri).pinned);
    ExpectRefused(control_->Evict(uri, false).status(), uri, "pinned");
  }
  EXPECT_TRUE(IsPinnedAt(scratch_.PathOf("a")));
  EXPECT_TRUE(house.catalog().Find("a")->pinned);
  EXPECT_EQ(shelf_->OldestUse(), std::nullopt) << "nothing there may go";
  std::string evicted;
  EXPECT_EQ(shelf_->EvictOldest(&evicted), 0u);
  EXPECT_GT(house.Read().pinned_bytes, shelf_->pinned_bytes());
  EXPECT_GT(shelf_->pinned_bytes(), 0u);
  Shelf anew(&*tree_);
  ASSERT_TRUE(anew.Load().ok());
  EXPECT_EQ(anew.OldestUse(), std::nullopt) << "nor after a restart";

  for (const std::string uri : {"a", "x//y"}) {
    ASSERT_TRUE(control_->SetPinned(uri, false).ok());
    EXPECT_FALSE(Look(uri).pinned);
  }
  EXPECT_FALSE(house.catalog().Find("a")->pinned);
  EXPECT_NE(shelf_->OldestUse(), std::nullopt);
  ASSERT_TRUE(control_->SetPinned("a", true).ok());
  EXPECT_TRUE(control_->Evict("a", true).ok());
  EXPECT_FALSE(IsHere("a"));
  EXPECT_EQ(house.catalog().Find("a"), std::nullopt);
  house.Stop();
}

// What is pinned while it comes is pinned as an object, and so is the version behind it.
TEST_F(ControlTest, APinPassesOn) {
  {
    const Part part = Begin("a", 1);
    ASSERT_TRUE(control_->SetPinned("a", true).ok());
    EXPECT_TRUE(Look("a").filling);
    Fill(part.get(), Content(2 * kBlock), 1);
    ASSERT_TRUE(part->Publish({}).ok());
  }
  EXPECT_EQ(Look("a").state, State::kWhole);
  EXPECT_TRUE(Look("a").pinned);
  ASSERT_TRUE(Begin("a", 2, "\"v2\"")->Publish({}).ok());
  EXPECT_EQ(Look("a").etag, "\"v2\"");
  EXPECT_TRUE(Look("a").pinned);
}

// An object in memory is no origin's, and is nothing to be pinned.
TEST_F(ControlTest, WhatIsInMemory) {
  class InMemory : public storage::Overlay {
   public:
    std::optional<absl::StatusOr<storage::OpenedObject>> Open(absl::string_view) override {
      return std::nullopt;
    }
    std::optional<absl::StatusOr<storage::ObjectInfo>> Stat(absl::string_view uri) override {
      if (uri != "m") return std::nullopt;
      return storage::ObjectInfo{.size = 5};
    }
    bool Has(absl::string_view uri) const override { return uri == "m"; }
  } memory;
  tree_->SetOverlay(&memory);
  EXPECT_EQ(Look("m").state, State::kOwn);
  EXPECT_EQ(Look("m").size, 5u);
  ExpectRefused(control_->SetPinned("m", true), "m", "in memory");
  ExpectRefused(control_->Evict("m", true).status(), "m", "in memory");
  tree_->SetOverlay(nullptr);
}

}  // namespace
}  // namespace objmapper::origin
