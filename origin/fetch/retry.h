// Whether a failed request is tried again, and when: the "standard" mode of Amazon's SDKs.
//
//   RetryPolicy policy(options, random);
//   RetryState state;                                     // one for each request
//   ...                                                   // an attempt fails
//   if (auto delay = policy.NextDelay("http://host:80", &state, retry_after)) ...   // wait, again
//   policy.Succeeded("http://host:80", state);            // in the end
//
// Delays: random(0, 1) * min(2^i, delay_max) seconds, i counting retries from 0. A retry takes
// tokens from a bucket that all requests to an origin share; so an outage is answered with less
// than a tenth more requests, not with three times as many. A request that succeeds gives back what
// its last retry took, or one token if it had none.
//
// Source: AWS SDKs and Tools Reference Guide, "Retry behavior", standard mode.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace objmapper::origin::fetch {

struct RetryOptions {
  int attempts_max = 3;  // the first one too
  absl::Duration delay_max = absl::Seconds(20);
  // An origin that asks for more patience than this is not asked again; the caller learns how much.
  absl::Duration retry_after_max = absl::Seconds(20);
  int bucket_tokens = 500;
  int retry_tokens = 5;
};

// Of one request.
struct RetryState {
  int retries = 0;
  int attempts_max = 0;  // instead of RetryOptions', if not 0
};

// One thread.
class RetryPolicy {
 public:
  // random: uniform in [0, 1).
  RetryPolicy(const RetryOptions& options, std::function<double()> random);

  // How long to wait before trying again, at least `retry_after`; nullopt: it is not tried again,
  // and *why says why, to stand behind the reason: "3 attempts". Counts the retry.
  std::optional<absl::Duration> NextDelay(absl::string_view origin, RetryState* state,
                                          std::optional<absl::Duration> retry_after,
                                          std::string* why);

  // The origin has answered as it should.
  void Succeeded(absl::string_view origin, const RetryState& state);

  int tokens(absl::string_view origin) const;

 private:
  const RetryOptions options_;
  const std::function<double()> random_;
  // What is missing in an origin's bucket; none: it is full.
  std::map<std::string, int, std::less<>> missing_;
};

// The value of a Retry-After header (RFC 9110, 10.2.3): seconds, or a date, which `now` is taken
// from. Never negative. nullopt: neither.
std::optional<absl::Duration> ParseRetryAfter(absl::string_view value, absl::Time now);

}  // namespace objmapper::origin::fetch
