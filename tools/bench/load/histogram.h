// A histogram of latencies with bounded relative error: log-linear buckets (net/log_linear.h), 128
// to each power of two, so a quantile is off by less than 0.8 % of its value, however long the
// tail.
//
// One thread's; merge those of several.
#pragma once

#include <cstdint>
#include <vector>

namespace objmapper::bench {

class Histogram {
 public:
  Histogram();

  void Record(int64_t ns);
  void Merge(const Histogram& other);

  uint64_t count() const { return count_; }
  // The value that `q` (0..1) of all records do not exceed, in ns; 0 when there are none.
  int64_t Quantile(double q) const;
  int64_t max() const { return max_; }

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  int64_t max_ = 0;
};

}  // namespace objmapper::bench
