// Runs of bytes that meet make one, in whatever order they come, with the sum of all of it.
#include "origin/cache/coverage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "origin/cache/crc32c.h"

namespace objmapper::origin {
namespace {

using Ranges = std::vector<Coverage::Range>;

// Gaps are told exactly, at the borders too.
TEST(CoverageTest, TellsGaps) {
  Coverage coverage;
  EXPECT_EQ(coverage.Gaps(0, 10), (Ranges{{0, 10}}));
  EXPECT_EQ(coverage.Gaps(5, 5), Ranges());
  coverage.Add(10, 20, 0);
  coverage.Add(30, 40, 0);
  EXPECT_EQ(coverage.Gaps(0, 50), (Ranges{{0, 10}, {20, 30}, {40, 50}}));
  EXPECT_EQ(coverage.Gaps(10, 20), Ranges());
  EXPECT_EQ(coverage.Gaps(15, 35), (Ranges{{20, 30}}));
  EXPECT_EQ(coverage.Gaps(20, 30), (Ranges{{20, 30}}));
  EXPECT_EQ(coverage.Gaps(39, 41), (Ranges{{40, 41}}));
  EXPECT_EQ(coverage.Prefix(), 0u);
  coverage.Add(0, 10, 0);
  EXPECT_EQ(coverage.Prefix(), 20u);
  coverage.Add(20, 30, 0);
  EXPECT_EQ(coverage.Prefix(), 40u);
}

// However a text is cut and mixed, overlaps included, it is whole at the end and not before, and
// its sum is that of the text.
TEST(CoverageTest, SumsWhateverTheOrder) {
  std::mt19937_64 random(3);
  std::string text(5000, '\0');
  for (char& c : text) c = static_cast<char>(random());
  for (int round = 0; round < 200; ++round) {
    Coverage coverage;
    uint32_t there = 0;
    while (there < text.size()) {
      EXPECT_EQ(coverage.Whole(5000), std::nullopt);
      const uint32_t begin = static_cast<uint32_t>(random() % text.size());
      const uint32_t end =
          static_cast<uint32_t>(std::min<size_t>(text.size(), begin + 1 + random() % 2000));
      for (const auto& [from, to] : coverage.Gaps(begin, end)) {
        coverage.Add(from, to, Crc32c(absl::string_view(text).substr(from, to - from)));
        there += to - from;
      }
    }
    EXPECT_EQ(coverage.Whole(5000), Crc32c(text));
    EXPECT_EQ(coverage.Whole(4999), std::nullopt);
  }
}

}  // namespace
}  // namespace objmapper::origin
