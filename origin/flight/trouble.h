// What went wrong, as those who wait for an object are told (storage::Remote::Bring()).
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "net/retry_after.h"
#include "origin/fetch/request.h"
#include "storage/tree/remote.h"

namespace objmapper::origin {

// Trouble with an origin, or with the room here: never that there is no object.
inline absl::Status Trouble(absl::string_view message) {
  return absl::ResourceExhaustedError(message);
}

// The same of an answer, or of none, with when to come again where the origin says so.
inline absl::Status TroubleOf(const fetch::Outcome& outcome) {
  absl::Status trouble = Trouble(outcome.reason);
  if (!outcome.retry_after.has_value()) return trouble;
  return net::WithRetryAfter(std::move(trouble), *outcome.retry_after);
}

// That an object cannot be kept here: it may still go through uncached.
using storage::IsNoRoom;
using storage::NoRoom;

inline absl::Status ServerStops() { return Trouble("the server stops"); }

// What of the disk's errors.
inline absl::Status DiskTrouble(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kPermissionDenied:
      return status;
    default:
      return Trouble(status.message());
  }
}

}  // namespace objmapper::origin
