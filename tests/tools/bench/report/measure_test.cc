#include <gtest/gtest.h>

#include "tests/tools/bench/report/fake_report.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {
namespace {

// Median and quartiles lie between values where no value falls on them, whatever the order.
TEST(SpreadOfTest, IsExact) {
  const Spread odd = SpreadOf({5, 1, 4, 2, 3});
  EXPECT_DOUBLE_EQ(odd.low, 2);
  EXPECT_DOUBLE_EQ(odd.median, 3);
  EXPECT_DOUBLE_EQ(odd.high, 4);
  const Spread even = SpreadOf({4, 1, 2, 3});
  EXPECT_DOUBLE_EQ(even.low, 1.75);
  EXPECT_DOUBLE_EQ(even.median, 2.5);
  EXPECT_DOUBLE_EQ(even.high, 3.25);
}

// One value is its own median and quartiles; none are zero.
TEST(SpreadOfTest, TakesOneValueOrNone) {
  const Spread one = SpreadOf({7});
  EXPECT_DOUBLE_EQ(one.low, 7);
  EXPECT_DOUBLE_EQ(one.median, 7);
  EXPECT_DOUBLE_EQ(one.high, 7);
  EXPECT_DOUBLE_EQ(SpreadOf({}).median, 0);
}

// A ratio is taken round by round: rounds that differ threefold leave it sharp.
TEST(RatioOverTest, ComparesRoundByRound) {
  const Cell cell = FakeCell();
  const auto ratio = RatioOver(Measure::kRequestsPerSecond, cell, cell.series[1], cell.series[0]);
  ASSERT_TRUE(ratio.has_value());
  EXPECT_DOUBLE_EQ(ratio->low, 0.9);
  EXPECT_DOUBLE_EQ(ratio->median, 0.9);
  EXPECT_DOUBLE_EQ(ratio->high, 0.9);
}

// Who has no samples has no figures and no ratio.
TEST(RatioOverTest, SaysNothingOfWhoIsMissing) {
  const Cell cell = FakeCell();
  EXPECT_FALSE(SpreadOver(Measure::kP99Us, cell, cell.series[3]).has_value());
  EXPECT_FALSE(RatioOver(Measure::kP99Us, cell, cell.series[3], cell.series[0]).has_value());
}

// CPU is told per request and per 1e9 bytes; without bytes there is no GB to divide by.
TEST(ValueOfTest, DividesByWhatWasDone) {
  const Cell cell = FakeCell();
  Sample sample = SampleOf(1000, 8);
  EXPECT_DOUBLE_EQ(*ValueOf(Measure::kServerCpuUs, cell, sample), 8);
  EXPECT_DOUBLE_EQ(*ValueOf(Measure::kServerCpuPerGb, cell, sample), 8);
  EXPECT_DOUBLE_EQ(*ValueOf(Measure::kClientCpuUs, cell, sample), 500);
  sample.bytes = 0;
  EXPECT_FALSE(ValueOf(Measure::kServerCpuPerGb, cell, sample).has_value());
}

// Memory per connection is what RSS grew by over the cell's connections, where it was looked at.
TEST(ValueOfTest, SharesMemoryAmongConnections) {
  const Cell cell = FakeCell();  // 16 connections
  Sample sample = SampleOf(1, 1);
  EXPECT_FALSE(ValueOf(Measure::kRssPerConnection, cell, sample).has_value());
  sample.rss_before_bytes = sample.rss_bytes - 32000;
  EXPECT_DOUBLE_EQ(*ValueOf(Measure::kRssPerConnection, cell, sample), 2000);
}

}  // namespace
}  // namespace objmapper::bench
