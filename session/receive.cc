// One read from a connection. Descriptors that arrive are either refused, or taken and judged by a
// process that may hang; none is installed here unchecked.
#include "session/receive.h"

#include <errno.h>
#include <glog/logging.h>
#include <string.h>

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "net/expendable.h"
#include "net/scm_rights.h"

namespace objmapper::session {
namespace {
// A file that is local tells what it is at once; a thread of a synchronous model waits no longer
// for one that is not.
absl::Duration Patience(const Session& session) {
  constexpr absl::Duration kMost = absl::Seconds(5);
  const absl::Duration timeout = session.limits->request_timeout;
  return timeout == absl::ZeroDuration() ? kMost : std::min(timeout, kMost);
}
}  // namespace

ssize_t Receive(Session* session, absl::Span<char> buffer, size_t have, OnFds on_fds) {
  const absl::Span<char> room = buffer.subspan(have);
  if (!session->may_bring_fds) {
    bool fds_refused = false;
    const ssize_t got = net::RecvRefusingFds(session->fd(), room, &fds_refused);
    if (fds_refused && !session->fds_at.has_value())
      session->fds_at = have + static_cast<size_t>(got) - 1;
    return got;
  }
  size_t with_fds = 0;
  const ssize_t got = net::RecvBeforeFds(session->fd(), room, &with_fds);
  if (got >= 0 || errno != EBADMSG) return got;
  if (!session->takes_fds()) {
    LOG_EVERY_T(WARNING, 1) << session->PeerName() << ": closed, it sent unexpected descriptors";
    errno = EPROTO;
    return -1;
  }
  session->fds_wait = true;
  if (on_fds == OnFds::kLeave) {
    errno = EBADMSG;
    return -1;
  }
  absl::StatusOr<net::ReceivedElsewhere> received =
      net::ReceiveElsewhere(session->fd(), with_fds, Patience(*session));
  if (!received.ok()) {
    LOG_EVERY_T(WARNING, 1) << session->PeerName() << ": closed, its descriptors cannot be taken: "
                            << received.status().message();
    errno = EPROTO;
    return -1;
  }
  session->fds_wait = false;
  memcpy(room.data(), received->bytes.data(), received->bytes.size());
  session->NoteArrival(have, &*received);
  return static_cast<ssize_t>(received->bytes.size());
}

}  // namespace objmapper::session
