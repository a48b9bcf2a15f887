#include "tools/bench/load/plan.h"

#include <cmath>

namespace objmapper::bench {
namespace {

constexpr uint64_t kOne = uint64_t{1} << 32;

}  // namespace

Plan::Plan(const WireDriver& driver, const LoadOptions& options)
    : first_count_(options.first_names.size()),
      ratio_(options.mix_ratio),
      per_connection_(options.mix_per_connection) {
  for (const std::string& name : options.first_names) {
    items_.push_back({options.first, true, driver.Request(options.first, name)});
  }
  if (options.mix_ratio >= 1) return;
  for (const std::string& name : options.second_names) {
    items_.push_back({options.second, false, driver.Request(options.second, name)});
  }
}

double Plan::RatioOf(int index) const {
  if (!per_connection_) return ratio_;
  return std::floor((index + 1) * ratio_) > std::floor(index * ratio_) ? 1 : 0;
}

Turn::Turn(const Plan& plan, int index)
    : first_count_(plan.first_count()),
      second_count_(plan.second_count()),
      step_(static_cast<uint64_t>(plan.RatioOf(index) * kOne)),
      // Multiples of the golden ratio never bunch up.
      phase_(static_cast<uint32_t>(index) * 2654435769u),
      next_first_(index % first_count_),
      next_second_(second_count_ == 0 ? 0 : index % second_count_) {}

uint32_t Turn::Next() {
  phase_ += step_;
  if (phase_ >= kOne) {
    phase_ -= kOne;
    const uint32_t item = next_first_;
    if (++next_first_ == first_count_) next_first_ = 0;
    return item;
  }
  const uint32_t item = first_count_ + next_second_;
  if (++next_second_ == second_count_) next_second_ = 0;
  return item;
}

}  // namespace objmapper::bench
