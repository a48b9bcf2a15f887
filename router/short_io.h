// The few bytes that the router itself says, and what it reads and drops. None of these waits.
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"
#include "session/session.h"

namespace objmapper::router {

// Sends a few bytes to a peer whose socket buffer must be nearly empty. False: it is not, or the
// peer has gone; the conversation is over.
bool SendShort(int fd, absl::string_view bytes);

// Takes `bytes` that have been looked at off the socket. False: descriptors ride on them.
bool DropBytes(const session::Session& session, size_t bytes);

// Reads and drops what has arrived. True: the peer may send more; false: it has finished or gone.
bool DropInput(const session::Session& session);

// Says no more to the peer, which has been told all. The result is DropInput()'s.
bool ShutDown(const session::Session& session);

}  // namespace objmapper::router
