// An entry is used until it is `valid` old, and not a nanosecond longer.
#include "storage/tree/stat_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace objmapper::storage {
namespace {

constexpr absl::Duration kValid = absl::Nanoseconds(100);

Description Sized(uint64_t size) { return Description{.size = size}; }

// An entry is believed until it is `valid` old, and not a nanosecond longer.
TEST(IndexTest, ForgetsWhatIsTooOld) {
  StatCache index(1000, kValid);
  index.Put("a", Sized(1), 1000);
  EXPECT_EQ(index.Find("a", 1000), Sized(1));
  EXPECT_EQ(index.Find("a", 1099), Sized(1));
  EXPECT_EQ(index.Find("a", 1100), std::nullopt);
  EXPECT_EQ(index.Find("a", 1'000'000), std::nullopt);
}

// A reader whose clock was read before the writer's sees the entry.
TEST(IndexTest, BelievesWhatIsNewerThanNow) {
  StatCache index(1000, kValid);
  index.Put("a", Sized(1), 1000);
  EXPECT_EQ(index.Find("a", 900), Sized(1));
}

// Seeing an object again renews it; what was seen earlier never replaces what was seen later.
TEST(IndexTest, TheLatestSightWins) {
  StatCache index(1000, kValid);
  index.Put("a", Sized(1), 1000);
  index.Put("a", Sized(2), 1050);
  index.Put("a", Sized(3), 1020);
  EXPECT_EQ(index.Find("a", 1149), Sized(2));
  EXPECT_EQ(index.Find("a", 1150), std::nullopt);
  EXPECT_EQ(index.size(), 1u);
}

// A clock that stands still does not keep an earlier sight alive.
TEST(IndexTest, TheSecondOfTwoAtOneTimeWins) {
  StatCache index(1000, kValid);
  index.Put("a", Sized(1), 1000);
  index.Put("a", Sized(2), 1000);
  EXPECT_EQ(index.Find("a", 1000), Sized(2));
}

// URIs are bytes: no NUL ends one, and no two are the same that differ.
TEST(IndexTest, KeysAreBytes) {
  StatCache index(1000, kValid);
  index.Put(absl::string_view("a\0b", 3), Sized(1), 0);
  index.Put("a", Sized(2), 0);
  index.Put("caf\xe9", Sized(3), 0);
  EXPECT_EQ(index.Find(absl::string_view("a\0b", 3), 0), Sized(1));
  EXPECT_EQ(index.Find("a", 0), Sized(2));
  EXPECT_EQ(index.Find("caf\xe9", 0), Sized(3));
  EXPECT_EQ(index.Find("/a", 0), std::nullopt);
}

// Room for none, or a validity of none, turns the index off.
TEST(IndexTest, CanBeOff) {
  StatCache no_room(0, kValid);
  no_room.Put("a", Sized(1), 0);
  EXPECT_EQ(no_room.Find("a", 0), std::nullopt);
  EXPECT_EQ(no_room.size(), 0u);

  StatCache no_time(1000, absl::ZeroDuration());
  no_time.Put("a", Sized(1), 0);
  EXPECT_EQ(no_time.Find("a", 0), std::nullopt);
}

// A validity without end holds for every time.
TEST(IndexTest, CanBelieveForEver) {
  StatCache index(1000, absl::InfiniteDuration());
  index.Put("a", Sized(1), 0);
  EXPECT_EQ(index.Find("a", int64_t{1} << 62), Sized(1));
}

// However many URIs are seen, the index holds no more than it was allowed; the latest is in it.
TEST(IndexTest, IsBounded) {
  for (const size_t entries_max : {1, 16, 100, 160}) {
    StatCache index(entries_max, kValid);
    const size_t rounded_up = (entries_max + 15) / 16 * 16;
    for (int i = 0; i < 5000; ++i) {
      const std::string uri = absl::StrCat("object/", i);
      index.Put(uri, Sized(i), 0);
      ASSERT_EQ(index.Find(uri, 0), Sized(i));
      ASSERT_LE(index.size(), rounded_up);
    }
    // 5000 URIs leave no shard with room to spare.
    EXPECT_EQ(index.size(), rounded_up);
  }
}

// Nothing changes but by eviction: whatever is done, an entry that is found is the last that was
// put.
TEST(IndexTest, AgreesWithAPlainMap) {
  StatCache index(64, absl::InfiniteDuration());
  std::map<std::string, uint64_t> all;  // what an index without bound would hold
  std::mt19937 random(1);
  uint64_t found = 0;
  for (uint64_t step = 1; step <= 50'000; ++step) {
    const std::string uri = absl::StrCat(random() % 150);
    if (random() % 3 == 0) {
      index.Put(uri, Sized(step), static_cast<int64_t>(step));
      all[uri] = step;
    } else if (const std::optional<Description> info = index.Find(uri, static_cast<int64_t>(step));
               info.has_value()) {
      ++found;
      const auto expected = all.find(uri);
      ASSERT_NE(expected, all.end()) << uri << " was never put";
      ASSERT_EQ(info->size, expected->second) << uri;
    }
    ASSERT_LE(index.size(), 64u);
  }
  EXPECT_GT(found, 1000u);
}

// Every lookup is counted once, as a hit or as a miss; a stale entry is a miss.
TEST(IndexTest, CountsHitsAndMisses) {
  StatCache index(1000, kValid);
  index.Find("a", 0);
  index.Put("a", Sized(1), 0);
  index.Find("a", 0);
  index.Find("a", 50);
  index.Find("a", 100);
  EXPECT_EQ(index.hits(), 2u);
  EXPECT_EQ(index.misses(), 2u);
}

// Threads that use the index at once see whole entries, each of its own URI, and lose no count.
TEST(IndexTest, ServesManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kSteps = 5000;
  StatCache index(64, absl::InfiniteDuration());
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&index, t] {
      std::mt19937 random(t);
      for (int i = 0; i < kSteps; ++i) {
        const uint64_t number = random() % 200;
        const std::string uri = absl::StrCat("object/", number);
        index.Put(uri, {.size = number, .etag = std::to_string(number)}, i);
        if (const std::optional<Description> info = index.Find(uri, i); info.has_value()) {
          EXPECT_EQ(info->size, number);
          EXPECT_EQ(info->etag, std::to_string(number));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(index.hits() + index.misses(), uint64_t{kThreads} * kSteps);
  EXPECT_LE(index.size(), 64u);
}

}  // namespace
}  // namespace objmapper::storage
