#include "router/receive.h"

#include <utility>
#include <vector>

#include "net/scm_rights.h"
#include "net/unique_fd.h"

namespace objmapper::router {

ssize_t Receive(Session* session, absl::Span<char> buffer, size_t have) {
  const absl::Span<char> room = buffer.subspan(have);
  if (!session->takes_fds()) {
    bool fds_refused = false;
    const ssize_t got = net::RecvRefusingFds(session->fd(), room, &fds_refused);
    if (fds_refused && !session->fds_at.has_value()) session->fds_at = have + static_cast<size_t>(got) - 1;
    return got;
  }
  Arrival arrival;
  const ssize_t got = net::RecvTakingFds(session->fd(), room, &arrival.fds, &arrival.lost);
  if (got > 0 && (arrival.lost || !arrival.fds.empty())) {
    arrival.begin = have;
    arrival.last = have + static_cast<size_t>(got) - 1;
    session->NoteArrival(std::move(arrival));
  }
  return got;
}

}  // namespace objmapper::router
