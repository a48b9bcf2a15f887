// How objects are stored: the options of Client's Put, PutFile, PutFrom, PutFd and PutMemory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/copy_range.h"

namespace objmapper::client {

struct PutOptions {
  // How long the object lives: whole seconds, rounded up, 1 to 2^32 - 1. InfiniteDuration(): for
  // ever. Anything else needs the METADATA capability.
  absl::Duration ttl = absl::InfiniteDuration();
  ProgressCallback progress;  // may be empty; not told about descriptors, which go at once
};

// Brings the bytes of a body: writes at most out.size() of those from `offset` on to `out`, and
// returns how many, at least 1; 0 when there are no more, which ends the PUT with DATA_LOSS.
// Offsets only grow within one PUT. An error ends the PUT and the connection, and is what the PUT
// returns.
using PutSource = std::function<absl::StatusOr<size_t>(uint64_t offset, absl::Span<char> out)>;

}  // namespace objmapper::client
