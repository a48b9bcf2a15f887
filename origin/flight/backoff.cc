// A map from names to their last failure.
#include "origin/flight/backoff.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/retry_after.h"

namespace objmapper::origin {

absl::Status Backoff::Refusal(absl::string_view name, absl::Time now) const {
  const auto found = names_.find(name);
  if (found == names_.end()) return absl::OkStatus();
  const absl::Duration left = found->second.until - now;
  // One that is further off than any could be is of a clock that has been put back.
  if (left <= absl::ZeroDuration() || left > options_.most) return absl::OkStatus();
  const absl::Status& why = found->second.why;
  return net::WithRetryAfter(
      absl::Status(
          why.code(),
          absl::StrCat(why.message(), " (", options_.what, " for ",
                       absl::FormatDuration(absl::Ceil(left, absl::Milliseconds(1))), ")")),
      left);
}

absl::Time Backoff::Failed(absl::string_view name, const absl::Status& why, absl::Time now) {
  MakeRoom(now);
  Entry& entry = names_[name];
  // The failure before, if there was one, was not long ago.
  const bool again = entry.delay > absl::ZeroDuration() && now - entry.until <= options_.most;
  const absl::Duration delay = again ? entry.delay : options_.first;
  const absl::Duration asked = absl::Milliseconds(net::RetryAfterMs(why));
  entry.delay = std::min(2 * delay, options_.most);
  entry.why = why;
  entry.until = now + std::min(std::max(delay * (0.5 + random_() / 2), asked), options_.most);
  return entry.until;
}

void Backoff::MakeRoom(absl::Time now) {
  if (names_.size() < options_.names_max) return;
  absl::erase_if(names_, [&](const auto& one) { return one.second.until <= now; });
  if (names_.size() >= options_.names_max) names_.clear();
}

}  // namespace objmapper::origin
