// A lane's read from a connection, whatever may ride on it.
#pragma once

#include <sys/types.h>

#include <cstddef>

#include "absl/types/span.h"
#include "router/session.h"

namespace objmapper::router {

// Reads into `buffer` behind its first `have` bytes, which are what session->unread holds: net::RecvRefusingFds(), or, on
// a connection that takes_fds(), with what descriptors came noted in session->arrivals. Those that were dropped are
// marked with session->fds_at. Returns and errno as there. Never blocks.
ssize_t Receive(Session* session, absl::Span<char> buffer, size_t have);

}  // namespace objmapper::router
