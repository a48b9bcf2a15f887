// A lane's read from a connection, whatever may ride on it.
#pragma once

#include <sys/types.h>

#include <cstddef>

#include "absl/types/span.h"
#include "session/session.h"

namespace objmapper::session {

// What a thread does that comes upon descriptors.
enum class OnFds : uint8_t {
  kWait,   // it waits for another process to take them (net/expendable.h), for seconds at most
  kLeave,  // it leaves them: -1 with errno EBADMSG, and session->fds_wait is set
};

// Reads into `buffer` behind its first `have` bytes, which are what session->unread holds. What
// descriptors came is noted in session->arrivals, where the connection takes_fds(); else its peer
// does what nobody may, and is cut off: -1 with errno EPROTO. Returns and errno as
// net::RecvBeforeFds() else. Never blocks but for kWait.
ssize_t Receive(Session* session, absl::Span<char> buffer, size_t have, OnFds on_fds);

}  // namespace objmapper::session
