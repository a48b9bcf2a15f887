// Levels and shares: what is refused, and what unfinished objects may take.
#include "storage/catalog/disk_limits.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "tests/storage/scratch_root.h"
#include "tests/storage/small_disk.h"

namespace objmapper::storage {
namespace {

using Of = DiskLevel::Of;
constexpr uint64_t kMiB = 1 << 20;

// Levels are shares or sizes, and nothing that could be taken for something else.
TEST(ParseDiskLevelTest, KnowsSharesAndSizes) {
  const auto level = [](absl::string_view text) {
    const absl::StatusOr<DiskLevel> parsed = ParseDiskLevel(text);
    EXPECT_TRUE(parsed.ok()) << text << ": " << parsed.status();
    return parsed.ok() ? std::pair(parsed->of, parsed->value)
                       : std::pair(Of::kNothing, uint64_t{0});
  };
  EXPECT_EQ(level(""), std::pair(Of::kNothing, uint64_t{0}));
  EXPECT_EQ(level("90%"), std::pair(Of::kFileSystem, uint64_t{90}));
  EXPECT_EQ(level("100%"), std::pair(Of::kFileSystem, uint64_t{100}));
  EXPECT_EQ(level("1000000"), std::pair(Of::kObjects, uint64_t{1'000'000}));
  EXPECT_EQ(level("200G"), std::pair(Of::kObjects, uint64_t{200} << 30));
  EXPECT_EQ(level("1.5T"), std::pair(Of::kObjects, uint64_t{1536} << 30));
  for (const char* text : {"0%", "101%", "%", "-5%", "90.5%", "G", "0", "-1", "1e9", "inf", "nan",
                           "5g", "5 G", "5GB", "1.2.3M", "99999999T", "90 %", "x"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseDiskLevel(text).status())) << text;
  }
}

// Room for so many bytes at once.
absl::StatusOr<DiskLimits::Room> Reserve(const std::unique_ptr<DiskLimits>& limits,
                                         uint64_t bytes) {
  DiskLimits::Room room = limits->Open("");
  if (absl::Status fits = room.Extend(bytes); !fits.ok()) return fits;
  return room;
}

class DiskLimitsTest : public testing::Test {
 protected:
  std::unique_ptr<DiskLimits> Open(const std::string& evict_at, const std::string& refuse_at) {
    absl::StatusOr<Tree> tree = Tree::Open(scratch_.path());
    EXPECT_TRUE(tree.ok()) << tree.status();
    tree_.emplace(*std::move(tree));
    DiskLimits::Options options;
    options.tree = &*tree_;
    options.evict_at = *ParseDiskLevel(evict_at);
    options.refuse_at = *ParseDiskLevel(refuse_at);
    options.peer_percent = peer_percent_;
    options.catalog = &catalog_;
    options.unlinked = &unlinked_;
    return std::make_unique<DiskLimits>(options);
  }
  void Put(const std::string& uri, uint64_t size) {
    ASSERT_TRUE(catalog_.Settle(uri, catalog_.Before(uri), Catalog::Entry{.size = size}));
  }
  // A file with all its bytes on the disk.
  void Fill(const std::string& name, uint64_t bytes) {
    const net::UniqueFd fd(
        open(scratch_.PathOf(name).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ASSERT_TRUE(fd.valid());
    ASSERT_EQ(posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes)), 0);
  }

  const ScratchRoot scratch_;
  std::optional<Tree> tree_;
  uint32_t peer_percent_ = 100;
  Catalog catalog_;
  UnlinkedFiles unlinked_{10};
};

// Without levels nothing is too much.
TEST_F(DiskLimitsTest, WithoutLevelsNothingIsRefused) {
  const std::unique_ptr<DiskLimits> limits = Open("", "");
  EXPECT_TRUE(Reserve(limits, uint64_t{1} << 50).ok());
  EXPECT_EQ(limits->Ask().excess, 0u);
  EXPECT_EQ(limits->refuse_at_bytes(), 0u);
}

// Objects, and those that are being stored, count until they are deleted or given up; exactly what
// fits is taken.
TEST_F(DiskLimitsTest, RefusesAboveBytesOfObjects) {
  const std::unique_ptr<DiskLimits> limits = Open("", "1000");
  Put("a", 400);
  {
    absl::StatusOr<DiskLimits::Room> room = Reserve(limits, 600);
    EXPECT_TRUE(room.ok()) << room.status();
    const absl::Status refused = Reserve(limits, 1).status();
    EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
    EXPECT_EQ(limits->refused(), 1u);
    EXPECT_EQ(limits->used(), 1000u);
    EXPECT_TRUE(Reserve(limits, 0).ok());
  }
  EXPECT_EQ(limits->used(), 400u);
  EXPECT_TRUE(Reserve(limits, 600).ok());
  EXPECT_FALSE(Reserve(limits, 601).ok());
  EXPECT_FALSE(Reserve(limits, UINT64_MAX).ok());
  ASSERT_TRUE(catalog_.Settle("a", catalog_.Before("a"), std::nullopt));
  EXPECT_TRUE(Reserve(limits, 1000).ok());
}

// A room that is moved is given back once.
TEST_F(DiskLimitsTest, ARoomMoves) {
  const std::unique_ptr<DiskLimits> limits = Open("", "1000");
  std::optional<DiskLimits::Room> kept;
  {
    absl::StatusOr<DiskLimits::Room> room = Reserve(limits, 700);
    ASSERT_TRUE(room.ok());
    kept.emplace(*std::move(room));
    DiskLimits::Room other;
    other = *std::move(kept);
    *kept = std::move(other);
  }
  EXPECT_EQ(limits->used(), 700u);
  kept.reset();
  EXPECT_EQ(limits->used(), 0u);
}

// What is above the level at which objects are evicted is told in bytes.
TEST_F(DiskLimitsTest, TellsTheExcessOfObjects) {
  const std::unique_ptr<DiskLimits> limits = Open("1000", "2000");
  Put("a", 1000);
  EXPECT_EQ(limits->Ask().excess, 0u);
  Put("b", 500);
  EXPECT_EQ(limits->Ask().excess, 500u);
  const absl::StatusOr<DiskLimits::Room> room = Reserve(limits, 100);
  EXPECT_EQ(limits->Ask().excess, 500u) << "what is being stored is no object that could go";
  EXPECT_EQ(limits->Ask().reserved_total, 100u);
}

// Shares go by what is on the file system, whoever put it there; it is asked again before anything
// is refused.
TEST_F(DiskLimitsTest, GoesByTheFileSystem) {
  const SmallDisk disk(scratch_.path(), "16m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  const std::unique_ptr<DiskLimits> limits = Open("50%", "75%");
  EXPECT_NEAR(static_cast<double>(limits->evict_at_bytes()), 8.0 * kMiB, 1000);
  EXPECT_NEAR(static_cast<double>(limits->refuse_at_bytes()), 12.0 * kMiB, 1000);
  EXPECT_TRUE(Reserve(limits, 11 * kMiB).ok());
  // Those 11 MiB were never written: when they matter the file system is asked, and says so.
  EXPECT_TRUE(Reserve(limits, 11 * kMiB).ok());
  Fill("other", 10 * kMiB);
  EXPECT_TRUE(absl::IsUnavailable(Reserve(limits, 3 * kMiB).status()));
  EXPECT_NEAR(static_cast<double>(limits->Ask().excess), 2.0 * kMiB, 65536);
  EXPECT_TRUE(Reserve(limits, 1 * kMiB).ok());
  ASSERT_EQ(unlink(scratch_.PathOf("other").c_str()), 0);
  EXPECT_TRUE(Reserve(limits, 3 * kMiB).ok());
  EXPECT_EQ(limits->Ask().excess, 0u);
}

// What is deleted but still open fills the disk, so that nothing may be stored, but evicting more
// would not free it.
TEST_F(DiskLimitsTest, WhatIsDeletedAndOpenIsNoExcess) {
  const SmallDisk disk(scratch_.path(), "16m");
  if (!disk.mounted()) GTEST_SKIP() << disk.why_not();
  const std::unique_ptr<DiskLimits> limits = Open("50%", "60%");
  Fill("a", 12 * kMiB);
  EXPECT_GT(limits->Ask().excess, 3 * kMiB);
  net::UniqueFd client(open(scratch_.PathOf("a").c_str(), O_RDONLY | O_CLOEXEC));
  net::UniqueFd ours(open(scratch_.PathOf("a").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(unlink(scratch_.PathOf("a").c_str()), 0);
  unlinked_.Take(std::move(ours));
  ASSERT_EQ(unlinked_.files(), 1u);
  EXPECT_EQ(limits->Ask().excess, 0u);
  EXPECT_FALSE(Reserve(limits, 1 * kMiB).ok());
  client.Reset();
  unlinked_.Probe();
  EXPECT_TRUE(Reserve(limits, 1 * kMiB).ok());
}

// What is announced takes no room, what has come does; and what could never stay is refused by its
// announcement.
TEST_F(DiskLimitsTest, AnAnnouncementTakesNothing) {
  const std::unique_ptr<DiskLimits> limits = Open("800", "1000");
  EXPECT_TRUE(limits->Check(800).ok());
  EXPECT_TRUE(limits->Check(800).ok());
  EXPECT_EQ(limits->used(), 0u);
  const absl::Status never = limits->Check(801);
  EXPECT_TRUE(absl::IsUnavailable(never) && absl::StrContains(never.message(), "--disk_evict_at"))
      << never;
  DiskLimits::Room room = limits->Open("uid 1");
  EXPECT_TRUE(room.Extend(300).ok());
  EXPECT_TRUE(room.Extend(300).ok());
  EXPECT_EQ(limits->used(), 600u);
  const absl::Status full = limits->Check(401);
  EXPECT_TRUE(absl::IsUnavailable(full) && absl::StrContains(full.message(), "--disk_refuse_at"))
      << full;
  EXPECT_FALSE(room.Extend(401).ok());
  EXPECT_EQ(limits->used(), 600u);
  EXPECT_TRUE(room.Extend(400).ok());
  EXPECT_EQ(limits->Ask().reserved_total, 1000u);
}

// What one peer has under way leaves some of the room to others, however many objects it is; who
// ends gives it back.
TEST_F(DiskLimitsTest, APeerLeavesRoomToOthers) {
  peer_percent_ = 50;
  const std::unique_ptr<DiskLimits> limits = Open("", "1000");
  Put("there", 200);
  DiskLimits::Room one = limits->Open("uid 1"), other = limits->Open("uid 1"),
                   theirs = limits->Open("uid 2");
  EXPECT_TRUE(one.Extend(300).ok());
  EXPECT_TRUE(other.Extend(100).ok());
  const absl::Status refused = other.Extend(1);
  EXPECT_TRUE(absl::IsUnavailable(refused) &&
              absl::StrContains(refused.message(), "--put_room_per_peer") &&
              absl::StrContains(refused.message(), "uid 1"))
      << refused;
  EXPECT_FALSE(limits->Open("uid 1").Fits(1).ok());
  EXPECT_TRUE(theirs.Extend(400).ok());
  one = DiskLimits::Room();
  EXPECT_TRUE(other.Extend(300).ok());
  EXPECT_FALSE(other.Extend(1).ok());
}

}  // namespace
}  // namespace objmapper::storage
