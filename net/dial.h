// The client's half of a connection: socket and connect.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "net/address.h"
#include "net/unique_fd.h"

namespace objmapper::net {

// Connects a blocking, close-on-exec stream socket to `address`, trying each of a host's addresses
// in turn. TCP connections get TCP_NODELAY: a request is one small segment that waits for nobody.
//
// Errors: UNAVAILABLE (nobody listens, no such socket, refused), DEADLINE_EXCEEDED (after
// `timeout` for each address), INVALID_ARGUMENT (the host is unknown), or as ErrnoToStatus. The
// message names the address.
absl::StatusOr<UniqueFd> Dial(const Address& address, absl::Duration timeout);

}  // namespace objmapper::net
