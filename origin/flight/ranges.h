// A set of bytes of one object: which of them have been asked for, or are wanted. One thread's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

namespace objmapper::origin {

class Ranges {
 public:
  using Range = std::pair<uint64_t, uint64_t>;  // begin and end

  // From now on [begin, end) is in it. What of that was not yet, in order.
  std::vector<Range> Add(uint64_t begin, uint64_t end) {
    std::vector<Range> added;
    if (begin >= end) return added;
    // The first run that ends at `begin` or behind it.
    auto run = runs_.upper_bound(begin);
    if (run != runs_.begin() && std::prev(run)->second >= begin) --run;
    uint64_t at = begin, to = end, from = begin;
    while (run != runs_.end() && run->first <= end) {
      if (at < run->first) added.emplace_back(at, run->first);
      at = std::max(at, run->second);
      from = std::min(from, run->first);
      to = std::max(to, run->second);
      run = runs_.erase(run);
    }
    if (at < end) added.emplace_back(at, end);
    runs_.emplace(from, to);
    return added;
  }
  void Clear() { runs_.clear(); }
  bool empty() const { return runs_.empty(); }

  // In order; no two of them touch.
  std::vector<Range> All() const { return {runs_.begin(), runs_.end()}; }

 private:
  std::map<uint64_t, uint64_t> runs_;
};

}  // namespace objmapper::origin
