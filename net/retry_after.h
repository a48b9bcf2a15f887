// When something that failed for now may be tried again, said by the status itself, so that it
// comes through to whoever answers with it (RETRY_AFTER).
//
//   return net::WithRetryAfter(absl::ResourceExhaustedError("the origin is busy"),
//   absl::Seconds(2));
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace objmapper::net {

// The same status, which says so. Nothing happens to one that is OK.
absl::Status WithRetryAfter(absl::Status status, absl::Duration after);

// In milliseconds, rounded up; 0: it is not said.
uint32_t RetryAfterMs(const absl::Status& status);

}  // namespace objmapper::net
