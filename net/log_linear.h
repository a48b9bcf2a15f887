// Log-linear buckets: values of any size in a bounded number of buckets, each at most 1/2^kSubBits
// of its values wide, so that a quantile read from them is off by no more than that, however long
// the tail. The scheme of HdrHistogram, which Debian does not package.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace objmapper::net {

template <int kSubBits>
struct LogLinear {
  static constexpr uint64_t kSubBuckets = uint64_t{1} << kSubBits;

  // How many buckets hold all values below 2^bits.
  static constexpr size_t Count(int bits) { return (bits + 1 - kSubBits) * kSubBuckets; }

  // Values below 2^(kSubBits + 1) have a bucket each; above, 2^kSubBits buckets share each power of
  // two.
  static constexpr size_t BucketOf(uint64_t value) {
    if (value < 2 * kSubBuckets) return value;
    const int shift = std::bit_width(value) - 1 - kSubBits;
    return shift * kSubBuckets + (value >> shift);
  }

  // The largest value of a bucket: what is reported from it is never better than it was.
  static constexpr uint64_t TopOf(size_t bucket) {
    if (bucket < 2 * kSubBuckets) return bucket;
    const int shift = static_cast<int>(bucket / kSubBuckets) - 1;
    const uint64_t leading = bucket % kSubBuckets + kSubBuckets;
    return ((leading + 1) << shift) - 1;
  }
};

}  // namespace objmapper::net
