// What all rings have in common at their making. For the files that include liburing.
#pragma once

#include "absl/status/status.h"
#include "absl/types/span.h"

struct io_uring;

namespace objmapper::net {

// Why io_uring_setup(2) refused, in an operator's words. `error`: an errno.
absl::Status RingSetupError(int error);

// UNIMPLEMENTED unless the kernel knows all of these operations (IORING_OP_...).
absl::Status CheckOperations(io_uring* ring, absl::Span<const int> operations);

}  // namespace objmapper::net
