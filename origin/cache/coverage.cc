// Runs of bytes, joined where they meet: their sums are combined, so nothing is read again.
#include "origin/cache/coverage.h"

#include <algorithm>
#include <iterator>

#include "origin/cache/crc32c.h"

namespace objmapper::origin {

std::vector<Coverage::Range> Coverage::Gaps(uint32_t begin, uint32_t end) const {
  std::vector<Range> gaps;
  auto run = runs_.upper_bound(begin);
  if (run != runs_.begin()) begin = std::max(begin, std::prev(run)->second.end);
  for (; begin < end && run != runs_.end() && run->first < end; ++run) {
    if (begin < run->first) gaps.emplace_back(begin, run->first);
    begin = run->second.end;
  }
  if (begin < end) gaps.emplace_back(begin, end);
  return gaps;
}

void Coverage::Add(uint32_t begin, uint32_t end, uint32_t crc32c) {
  auto at = runs_.emplace(begin, Run{end, crc32c}).first;
  const auto join = [this](auto first, auto second) {
    first->second.crc32c = Crc32cCombine(first->second.crc32c, second->second.crc32c,
                                         second->second.end - second->first);
    first->second.end = second->second.end;
    runs_.erase(second);
  };
  if (const auto next = std::next(at); next != runs_.end() && next->first == end) join(at, next);
  if (at == runs_.begin()) return;
  if (const auto before = std::prev(at); before->second.end == begin) join(before, at);
}

uint32_t Coverage::Prefix() const {
  return runs_.empty() || runs_.begin()->first != 0 ? 0 : runs_.begin()->second.end;
}

std::optional<uint32_t> Coverage::Whole(uint32_t bytes) const {
  if (runs_.size() != 1 || Prefix() != bytes) return std::nullopt;
  return runs_.begin()->second.crc32c;
}

}  // namespace objmapper::origin
