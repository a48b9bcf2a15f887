// A trace of requests by Zipf's law, the same each time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace objmapper::storage {

class Zipf {
 public:
  // The k-th of `objects` is asked for in proportion to 1/k^skew.
  Zipf(size_t objects, double skew) : cumulative_(objects) {
    double sum = 0;
    for (size_t k = 0; k < objects; ++k)
      cumulative_[k] = sum += std::pow(static_cast<double>(k + 1), -skew);
  }
  // The next object asked for, 0 the most popular.
  size_t Next() {
    const double at = static_cast<double>(Random() >> 11) * 0x1p-53 * cumulative_.back();
    return static_cast<size_t>(std::upper_bound(cumulative_.begin(), cumulative_.end() - 1, at) -
                               cumulative_.begin());
  }
  // splitmix64: <random>'s distributions differ between libraries.
  uint64_t Random() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  std::vector<double> cumulative_;
  uint64_t state_ = 1;
};

}  // namespace objmapper::storage
