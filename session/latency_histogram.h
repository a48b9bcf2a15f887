// Latencies, counted by one thread and read by any: log-linear buckets, 16 to each power of two, so
// that a quantile is off by at most 1/16 of its value. 4 KiB; recording is two additions.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "net/counter.h"
#include "net/log_linear.h"

namespace objmapper::session {

// Latencies of several threads, added up. Copyable.
class LatencySnapshot {
 public:
  using Buckets = net::LogLinear<4>;
  // Longer than 2^37 ns, 137 s, counts as that: requests do not live so long (--request_timeout).
  static constexpr int kBits = 37;
  static constexpr size_t kBuckets = Buckets::Count(kBits);

  void Add(size_t bucket, uint64_t n) {
    buckets_[bucket] += n;
    count_ += n;
  }
  void AddSum(uint64_t ns) { sum_ns_ += ns; }

  uint64_t count() const { return count_; }
  uint64_t sum_ns() const { return sum_ns_; }
  // How many took at most `ns`, rounded up to the end of its bucket.
  uint64_t CountUpTo(int64_t ns) const;
  // What `q` (0..1) of them did not exceed, in ns; 0 when there are none.
  int64_t Quantile(double q) const;
  // Those that came since `earlier`, a snapshot of the same counters.
  LatencySnapshot Since(const LatencySnapshot& earlier) const;

 private:
  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ns_ = 0;
};

class LatencyHistogram {
 public:
  // Its thread. What is negative (clocks of two threads) counts as 0.
  void Record(int64_t ns) {
    const uint64_t value = Counted(ns);
    buckets_[LatencySnapshot::Buckets::BucketOf(value)].Add();
    sum_ns_.Add(value);
  }
  // Of one that was recorded.
  void TakeBack(int64_t ns) {
    const uint64_t value = Counted(ns);
    buckets_[LatencySnapshot::Buckets::BucketOf(value)].Add(~uint64_t{0});
    sum_ns_.Add(~value + 1);
  }

  // Any thread. What is recorded meanwhile may be in or not.
  void AddTo(LatencySnapshot* snapshot) const {
    for (size_t i = 0; i < buckets_.size(); ++i) {
      if (const uint64_t n = buckets_[i].get(); n != 0) snapshot->Add(i, n);
    }
    snapshot->AddSum(sum_ns_.get());
  }

 private:
  static uint64_t Counted(int64_t ns) {
    constexpr uint64_t kMost = (uint64_t{1} << LatencySnapshot::kBits) - 1;
    return std::min<uint64_t>(static_cast<uint64_t>(std::max<int64_t>(ns, 0)), kMost);
  }

  std::array<net::Counter, LatencySnapshot::kBuckets> buckets_;
  net::Counter sum_ns_;
};

}  // namespace objmapper::session
