// Asking again what was UNAVAILABLE: when the server said so, with jitter, so that many clients
// that were refused together do not come back together.
//
//   absl::StatusOr<FdObject> object = Retry(RetryPolicy(), [&] { return client.GetFd("models/a");
//   });
//
// A server answers UNAVAILABLE past a limit of its own (rate, queue, descriptors, connections) and
// says in RETRY_AFTER how long to wait. Only such an answer is asked again: it has changed nothing,
// so any call may be. A connection that broke is not mended here.
#pragma once

#include <cstdint>
#include <optional>
#include <random>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/error.h"

namespace objmapper::client {

struct RetryPolicy {
  int attempts_max = 5;                                // calls in all; 1: no retry
  absl::Duration first_wait = absl::Milliseconds(10);  // doubles with each attempt
  absl::Duration wait_max = absl::Seconds(5);  // no single wait is longer, whatever the server says
  absl::Duration total_max = absl::Seconds(30);  // no attempt begins later than that
};

// The waits between attempts. One call's.
class Backoff {
 public:
  explicit Backoff(const RetryPolicy& policy) : policy_(policy), began_(absl::Now()) {}

  // How long to wait before the next attempt after one that ended with `status`; nullopt: no more,
  // `status` is the result. At least what the server asked for, and up to half as much again or, if
  // that is more, the doubling wait: by chance.
  std::optional<absl::Duration> Next(const absl::Status& status);

 private:
  const RetryPolicy policy_;
  const absl::Time began_;
  int attempts_ = 1;
  std::minstd_rand random_{std::random_device()()};
};

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// Calls `ask` until it succeeds, fails for good, or the policy ends; returns what the last call
// did.
template <typename Ask>
auto Retry(const RetryPolicy& policy, Ask&& ask) -> decltype(ask()) {
  Backoff backoff(policy);
  while (true) {
    auto result = ask();
    if (StatusOf(result).ok()) return result;
    const std::optional<absl::Duration> wait = backoff.Next(StatusOf(result));
    if (!wait.has_value()) return result;
    absl::SleepFor(*wait);
  }
}

}  // namespace objmapper::client
