#include "tools/bench/load/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace objmapper::bench {
namespace {

// Every quantile is at least the exact one and at most 0.8 % above it, over nine decades.
TEST(HistogramTest, QuantilesAreWithinTheBound) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> exponent(0, 9);
  std::vector<int64_t> values;
  Histogram histogram;
  for (int i = 0; i < 20000; ++i) {
    values.push_back(static_cast<int64_t>(std::pow(10, exponent(random))));
    histogram.Record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double q : {0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const size_t rank = std::max<size_t>(std::ceil(q * values.size()), 1);
    const int64_t exact = values[rank - 1];
    EXPECT_GE(histogram.Quantile(q), exact) << q;
    EXPECT_LE(histogram.Quantile(q), exact * 1.008) << q;
  }
  EXPECT_EQ(histogram.max(), values.back());
}

// Two histograms merged are one that has seen everything; a new one has seen nothing.
TEST(HistogramTest, MergedAndNew) {
  Histogram low, high;
  for (int i = 1; i <= 100; ++i) low.Record(i);
  for (int i = 101; i <= 200; ++i) high.Record(i);
  low.Merge(high);
  EXPECT_EQ(low.count(), 200u);
  EXPECT_EQ(low.Quantile(0.5), 100);
  EXPECT_EQ(low.max(), 200);
  EXPECT_EQ(Histogram().count(), 0u);
  EXPECT_EQ(Histogram().Quantile(0.5), 0);
}

// The ends of the range have buckets: negative counts as 0.
TEST(HistogramTest, Extremes) {
  Histogram histogram;
  histogram.Record(-5);
  EXPECT_EQ(histogram.Quantile(1), 0);
  histogram.Record(INT64_MAX);
  EXPECT_EQ(histogram.Quantile(1), INT64_MAX);
}

}  // namespace
}  // namespace objmapper::bench
