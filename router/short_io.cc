// Reads that stop before descriptors, on sockets to which some may have been sent.
#include "router/short_io.h"

#include <errno.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/types/span.h"
#include "net/scm_rights.h"

namespace objmapper::router {
namespace {

// recv(2), but *with_fds is not 0 where descriptors ride on what comes next.
ssize_t Read(const session::Session& session, absl::Span<char> room, size_t* with_fds) {
  return session.may_bring_fds ? net::RecvBeforeFds(session.fd(), room, with_fds)
                               : recv(session.fd(), room.data(), room.size(), MSG_DONTWAIT);
}

}  // namespace

bool SendShort(int fd, absl::string_view bytes) {
  if (bytes.empty()) return true;
  return net::SendWithFds(fd, bytes, {}) == static_cast<ssize_t>(bytes.size());
}

bool DropBytes(const session::Session& session, size_t bytes) {
  char buffer[256];
  while (bytes > 0) {
    size_t with_fds = 0;
    const ssize_t got =
        Read(session, absl::MakeSpan(buffer, std::min(bytes, sizeof(buffer))), &with_fds);
    if (got < 0 && errno == EINTR) continue;
    if (with_fds > 0) return false;
    if (got <= 0) return true;  // reset meanwhile: the next look at the socket says so
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

bool DropInput(const session::Session& session) {
  char buffer[16384];
  // Bounded: a peer that sends for ever is cut off by the linger deadline instead.
  for (int i = 0; i < 16; ++i) {
    size_t with_fds = 0;
    const ssize_t got = Read(session, absl::MakeSpan(buffer), &with_fds);
    if (got > 0) continue;
    // With descriptors: it is closed unread, by somebody else (net::DisposeSocket()).
    return got < 0 && (errno == EAGAIN || errno == EINTR);
  }
  return true;
}

bool ShutDown(const session::Session& session) {
  shutdown(session.fd(), SHUT_WR);
  return DropInput(session);
}

}  // namespace objmapper::router
