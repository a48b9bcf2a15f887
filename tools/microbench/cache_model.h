// What caches are compared by: a trace of requests, and the plainest cache there is.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <list>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace objmapper::storage {

// Requests by Zipf's law, the same each time.
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

// What was used longest ago goes.
class Lru {
 public:
  explicit Lru(size_t entries_max) : entries_max_(entries_max) {}

  // Whether it was there. It is afterwards.
  bool Ask(size_t object) {
    const auto found = places_.find(object);
    if (found != places_.end()) {
      order_.splice(order_.begin(), order_, found->second);
      return true;
    }
    if (order_.size() == entries_max_) {
      places_.erase(order_.back());
      order_.pop_back();
    }
    order_.push_front(object);
    places_.emplace(object, order_.begin());
    return false;
  }

 private:
  const size_t entries_max_;
  std::list<size_t> order_;  // the latest first
  absl::flat_hash_map<size_t, std::list<size_t>::iterator> places_;
};

}  // namespace objmapper::storage
