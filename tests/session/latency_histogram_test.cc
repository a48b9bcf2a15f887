// Quantiles are off by at most 1/16.
#include "session/latency_histogram.h"

#include <gtest/gtest.h>

namespace objmapper::session {
namespace {

LatencySnapshot SnapshotOf(const LatencyHistogram& histogram) {
  LatencySnapshot snapshot;
  histogram.AddTo(&snapshot);
  return snapshot;
}

// The promise of the header: at most 1/16 too much, never too little.
TEST(LatencyHistogramTest, QuantilesAreWithinASixteenth) {
  for (int64_t ns : {0, 1, 31, 32, 33, 999, 1000, 65535, 65536, 1'000'000, 999'999'999}) {
    LatencyHistogram histogram;
    histogram.Record(ns);
    const int64_t told = SnapshotOf(histogram).Quantile(0.5);
    EXPECT_GE(told, ns);
    EXPECT_LE(told, ns + ns / 16) << ns;
  }
}

TEST(LatencyHistogramTest, Quantiles) {
  LatencyHistogram histogram;
  for (int i = 1; i <= 1000; ++i) histogram.Record(i * 1000);
  const LatencySnapshot all = SnapshotOf(histogram);
  EXPECT_EQ(all.count(), 1000u);
  EXPECT_EQ(all.sum_ns(), 500'500'000u);
  EXPECT_NEAR(all.Quantile(0.5), 500'000, 500'000 / 16);
  EXPECT_NEAR(all.Quantile(0.99), 990'000, 990'000 / 16);
  EXPECT_NEAR(all.Quantile(1), 1'000'000, 1'000'000 / 16);
  EXPECT_GT(all.Quantile(0), 0);
}

TEST(LatencyHistogramTest, NothingAndTooMuch) {
  LatencyHistogram histogram;
  EXPECT_EQ(SnapshotOf(histogram).Quantile(0.99), 0);
  histogram.Record(-5);
  EXPECT_EQ(SnapshotOf(histogram).Quantile(1), 0);
  histogram.Record(INT64_MAX);
  EXPECT_EQ(SnapshotOf(histogram).Quantile(1), (int64_t{1} << LatencySnapshot::kBits) - 1);
}

TEST(LatencyHistogramTest, SinceIsWhatCameMeanwhile) {
  LatencyHistogram histogram;
  histogram.Record(1000);
  const LatencySnapshot before = SnapshotOf(histogram);
  histogram.Record(1'000'000);
  const LatencySnapshot meanwhile = SnapshotOf(histogram).Since(before);
  EXPECT_EQ(meanwhile.count(), 1u);
  EXPECT_EQ(meanwhile.sum_ns(), 1'000'000u);
  EXPECT_GE(meanwhile.Quantile(0), 1'000'000);
}

TEST(LatencyHistogramTest, CountUpTo) {
  LatencyHistogram histogram;
  for (const int64_t ns : {100, 1023, 1024, 5000}) histogram.Record(ns);
  const LatencySnapshot all = SnapshotOf(histogram);
  EXPECT_EQ(all.CountUpTo(-1), 0u);
  EXPECT_EQ(all.CountUpTo(1023), 2u);
  EXPECT_EQ(all.CountUpTo(INT64_MAX), 4u);
}

}  // namespace
}  // namespace objmapper::session
