// What was not in a set of ranges is said, and nothing else.
#include "origin/flight/ranges.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace objmapper::origin {
namespace {

using All = std::vector<Ranges::Range>;

TEST(RangesTest, TellsWhatIsNew) {
  Ranges ranges;
  EXPECT_EQ(ranges.Add(10, 20), (All{{10, 20}}));
  EXPECT_EQ(ranges.Add(10, 20), All());
  EXPECT_EQ(ranges.Add(12, 13), All());
  EXPECT_EQ(ranges.Add(30, 40), (All{{30, 40}}));
  EXPECT_EQ(ranges.Add(5, 35), (All{{5, 10}, {20, 30}}));
  EXPECT_EQ(ranges.All(), (All{{5, 40}}));
  EXPECT_EQ(ranges.Add(40, 50), (All{{40, 50}}));
  EXPECT_EQ(ranges.Add(7, 7), All());
  EXPECT_EQ(ranges.All(), (All{{5, 50}}));
  ranges.Clear();
  EXPECT_TRUE(ranges.empty());
}

// As a set of bytes has it.
TEST(RangesTest, IsASetOfBytes) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    Ranges ranges;
    std::vector<bool> bytes(64);
    for (int i = 0; i < 20; ++i) {
      const uint64_t begin = random() % 64, end = random() % 65;
      std::vector<bool> added(64);
      for (const auto& [from, to] : ranges.Add(begin, end)) {
        ASSERT_LT(from, to);
        for (uint64_t at = from; at < to; ++at) added[at] = true;
      }
      for (uint64_t at = 0; at < 64; ++at) {
        const bool wanted = begin <= at && at < end;
        ASSERT_EQ(added[at], wanted && !bytes[at]) << at;
        if (wanted) bytes[at] = true;
      }
      const All all = ranges.All();
      for (size_t one = 1; one < all.size(); ++one) ASSERT_LT(all[one - 1].second, all[one].first);
    }
  }
}

}  // namespace
}  // namespace objmapper::origin
