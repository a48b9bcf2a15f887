#include "tools/bench/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace objmapper::bench {
namespace {

// Values below 2^(kSubBits + 1) have a bucket each; above, 2^kSubBits buckets share each power of
// two, so a bucket is at most 1/128 of its values wide.
constexpr int kSubBits = 7;
constexpr uint64_t kSubBuckets = uint64_t{1} << kSubBits;
constexpr size_t kBuckets = (64 - kSubBits) * kSubBuckets;

size_t BucketOf(uint64_t value) {
  if (value < 2 * kSubBuckets) return value;
  const int shift = std::bit_width(value) - 1 - kSubBits;
  return shift * kSubBuckets + (value >> shift);
}

// The largest value of a bucket: a quantile is never reported as better than it was.
uint64_t TopOf(size_t bucket) {
  if (bucket < 2 * kSubBuckets) return bucket;
  const int shift = static_cast<int>(bucket / kSubBuckets) - 1;
  const uint64_t leading = bucket % kSubBuckets + kSubBuckets;
  return ((leading + 1) << shift) - 1;
}

}  // namespace

Histogram::Histogram() : buckets_(kBuckets) {}

void Histogram::Record(int64_t ns) {
  const int64_t value = std::max<int64_t>(ns, 0);
  ++buckets_[BucketOf(value)];
  ++count_;
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

void Histogram::Clear() {
  std::fill(buckets_.begin(), buckets_.end(), 0);
  count_ = 0;
  max_ = 0;
  sum_ = 0;
}

int64_t Histogram::Quantile(double q) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_));
  const uint64_t rank = std::max<uint64_t>(static_cast<uint64_t>(wanted), 1);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::min<int64_t>(static_cast<int64_t>(TopOf(i)), max_);
  }
  return max_;
}

double Histogram::mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

}  // namespace objmapper::bench
