// The plainest cache there is, to compare others with: what was used longest ago goes.
#pragma once

#include <cstddef>
#include <list>

#include "absl/container/flat_hash_map.h"

namespace objmapper::storage {

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
