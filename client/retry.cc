// The time until the next try: RETRY_AFTER as the minimum, with jitter above it.
#include "client/retry.h"

#include <algorithm>
#include <cmath>

namespace objmapper::client {

std::optional<absl::Duration> Backoff::Next(const absl::Status& status) {
  if (SourceOf(status) != ErrorSource::kServer || !absl::IsUnavailable(status)) return std::nullopt;
  if (attempts_ >= policy_.attempts_max) return std::nullopt;
  const absl::Duration doubling = policy_.first_wait * std::exp2(std::min(attempts_ - 1, 30));
  ++attempts_;
  const absl::Duration asked = RetryAfter(status).value_or(absl::ZeroDuration());
  const absl::Duration spread = std::max(asked / 2, doubling);
  const absl::Duration wait = std::min(
      asked + spread * std::uniform_real_distribution<double>(0, 1)(random_), policy_.wait_max);
  if (absl::Now() + wait - began_ > policy_.total_max) return std::nullopt;
  return wait;
}

}  // namespace objmapper::client
