#include "tools/bench/load/histogram.h"

#include <algorithm>
#include <cmath>

#include "net/log_linear.h"

namespace objmapper::bench {
namespace {

// 128 buckets to each power of two; a latency is an int64_t that is not negative.
using Buckets = net::LogLinear<7>;
constexpr size_t kBuckets = Buckets::Count(63);

}  // namespace

Histogram::Histogram() : buckets_(kBuckets) {}

void Histogram::Record(int64_t ns) {
  const int64_t value = std::max<int64_t>(ns, 0);
  ++buckets_[Buckets::BucketOf(value)];
  ++count_;
  max_ = std::max(max_, value);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

int64_t Histogram::Quantile(double q) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_));
  const uint64_t rank = std::max<uint64_t>(static_cast<uint64_t>(wanted), 1);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::min<int64_t>(static_cast<int64_t>(Buckets::TopOf(i)), max_);
  }
  return max_;
}

}  // namespace objmapper::bench
