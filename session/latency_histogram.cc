// Arithmetic on snapshots of histograms: sums, differences, quantiles.
#include "session/latency_histogram.h"

#include <cmath>

namespace objmapper::session {

uint64_t LatencySnapshot::CountUpTo(int64_t ns) const {
  if (ns < 0) return 0;
  uint64_t count = 0;
  const size_t last = std::min(Buckets::BucketOf(static_cast<uint64_t>(ns)), kBuckets - 1);
  for (size_t i = 0; i <= last; ++i) count += buckets_[i];
  return count;
}

int64_t LatencySnapshot::Quantile(double q) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_));
  const uint64_t rank = std::max<uint64_t>(static_cast<uint64_t>(wanted), 1);
  uint64_t seen = 0;
  size_t i = 0;
  for (; i + 1 < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= rank) break;
  }
  return static_cast<int64_t>(Buckets::TopOf(i));
}

LatencySnapshot LatencySnapshot::Since(const LatencySnapshot& earlier) const {
  LatencySnapshot since;
  for (size_t i = 0; i < kBuckets; ++i) {
    if (buckets_[i] > earlier.buckets_[i]) since.Add(i, buckets_[i] - earlier.buckets_[i]);
  }
  since.sum_ns_ = sum_ns_ - std::min(sum_ns_, earlier.sum_ns_);
  return since;
}

}  // namespace objmapper::session
