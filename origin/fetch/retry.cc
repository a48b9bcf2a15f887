// Delays and tokens.
#include "origin/fetch/retry.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace objmapper::origin::fetch {

RetryPolicy::RetryPolicy(const RetryOptions& options, std::function<double()> random)
    : options_(options), random_(std::move(random)) {}

std::optional<absl::Duration> RetryPolicy::NextDelay(absl::string_view origin, RetryState* state,
                                                     std::optional<absl::Duration> retry_after,
                                                     std::string* why) {
  const int attempts_max = state->attempts_max != 0 ? state->attempts_max : options_.attempts_max;
  if (state->retries + 1 >= attempts_max) {
    *why = attempts_max == 1 ? "1 attempt" : absl::StrCat(attempts_max, " attempts");
    return std::nullopt;
  }
  if (retry_after.has_value() && *retry_after > options_.retry_after_max) {
    *why = absl::StrCat("asks to be left alone for ", absl::FormatDuration(*retry_after));
    return std::nullopt;
  }
  if (tokens(origin) < options_.retry_tokens) {
    *why = "not tried again: too much fails there";
    return std::nullopt;
  }
  missing_[std::string(origin)] += options_.retry_tokens;
  // Beyond 2^30 s every bound is reached.
  const absl::Duration most =
      std::min(absl::Seconds(int64_t{1} << std::min(state->retries, 30)), options_.delay_max);
  ++state->retries;
  return std::max(most * random_(), retry_after.value_or(absl::ZeroDuration()));
}

void RetryPolicy::Succeeded(absl::string_view origin, const RetryState& state) {
  const auto found = missing_.find(origin);
  if (found == missing_.end()) return;
  found->second -= state.retries > 0 ? options_.retry_tokens : 1;
  if (found->second <= 0) missing_.erase(found);
}

int RetryPolicy::tokens(absl::string_view origin) const {
  const auto found = missing_.find(origin);
  return options_.bucket_tokens - (found == missing_.end() ? 0 : found->second);
}

std::optional<absl::Duration> ParseRetryAfter(absl::string_view value, absl::Time now) {
  value = absl::StripAsciiWhitespace(value);
  if (value.empty()) return std::nullopt;
  if (std::all_of(value.begin(), value.end(), absl::ascii_isdigit)) {
    int64_t seconds;
    return absl::SimpleAtoi(value, &seconds) ? absl::Seconds(seconds) : absl::InfiniteDuration();
  }
  const time_t date = curl_getdate(std::string(value).c_str(), nullptr);
  if (date < 0) return std::nullopt;
  return std::max(absl::FromTimeT(date) - now, absl::ZeroDuration());
}

}  // namespace objmapper::origin::fetch
