// From a socket to requests: what every lane and every model does first.
//
// Receive() reads from a connection, whatever may ride on the bytes.
// TakeBurst() parses all complete requests at the front of the input up to the first that belongs
// to another lane, and judges each: whether it must be refused, and why. What is left for the
// caller is to answer.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "net/foreign_fd.h"
#include "protocol/objm/request_parser.h"
#include "session/access_rules.h"
#include "session/lane.h"
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

struct Burst {
  enum class End : uint8_t {
    kNeedMore,   // the rest, if any, is the beginning of a request
    kFull,       // `requests_max` were taken: there may be more
    kOtherLane,  // the next request is another lane's
    // the last of `requests` is an operation: to be done before anything behind it is taken
    kOperation,
    kClose,  // the client said CLOSE: answer what is owed, then CLOSE_ACK
    kFatal,  // answer what is owed, then `fatal`, and hang up
  };

  // In the order of arrival. A request's refusal is set when it must not be served: as
  // RequestParser says, or INVALID_REQUEST (it is one more than max_pipeline, or descriptors came
  // with it, or not the one of OP_PUT_FD), INVALID_MODE (not on this transport), UNSUPPORTED_OP
  // (not in V1, or not by a read-only server), CAPABILITY_ERROR, UNAVAILABLE (SessionLimits::rate),
  // PERMISSION_DENIED (SessionLimits::access; not of OP_LIST, each entry of which is judged).
  std::vector<protocol::Request> requests;
  // kOperation: what OP_PUT_FD stores. Behind an OP_PUT its body follows, body_length bytes of the
  // input from `consumed` on; who does not take them lets the parser skip them.
  net::ForeignFd fd;
  End end = End::kNeedMore;
  protocol::RequestParser::Result fatal;  // kFatal: status, reason, id
  size_t consumed = 0;                    // bytes of the input
  // some of them were of a refused request's body: it keeps coming, which is progress
  bool dropped = false;
};

// The modes that change objects or list them. One at a time on a connection, so that whoever puts
// and then gets on it gets what was put: such a request is the last of its burst, and, where it is
// served, the first too.
bool IsOperation(protocol::Mode mode);

// What a request of this mode needs of the rules (SessionLimits::access).
Right RightFor(protocol::Mode mode);

using InPlace = absl::FunctionRef<bool(const protocol::Request&)>;

// Takes requests off the front of `input`, which begins with session->unread and must outlive the
// burst's use (URIs point into it).
//
// lane:         the caller's; nullopt for a model that serves every mode.
// outstanding:  requests of this session taken earlier and not answered yet.
// requests_max: 1 or more; the caller's budget.
// burst:        reused between calls; cleared here.
// in_place:     null, or whether the caller answers this request although it is another lane's,
//               because moving the connection would cost more; asked once for each such request
//               that the rules do not deny: those are refused here, whether the object is there or
//               not.
//
// The caller keeps what is left, input.substr(burst->consumed), and passes it in again:
// KeepUnread() does that.
void TakeBurst(Session* session, absl::string_view input, std::optional<LaneKind> lane,
               size_t outstanding, size_t requests_max, Burst* burst,
               const InPlace* in_place = nullptr);

// Refusals that depend on the server rather than on the frame: rate, rules, what a mode needs.
// Marks the request for the log. For TakeBurst() and TakeHttpBurst().
void JudgeRequest(Session* session, protocol::Request* request);

// Whether descriptors came with the first `bytes` of the input and belong to no request: with a
// body.
bool HasStrayFds(const Session& session, size_t bytes);

// Stores what of `input` is left after `consumed` bytes as session->unread, and moves the marks of
// descriptors along; those that came before are let go of. So are those that can be no OP_PUT_FD's,
// whose first byte they would have come with: a connection keeps no others. `input` may point into
// session->unread.
//
// body: how many of the bytes kept, and of those to come, are still of an OP_PUT's body that is
// being taken.
void KeepUnread(Session* session, absl::string_view input, size_t consumed, uint64_t body = 0);

// Orders a burst for service: PRIORITY requests first where the client allows answers out of order
// (OOO_REPLIES), but none that is ORDERED; otherwise the order stays.
void OrderForService(const Session& session, std::vector<protocol::Request>* requests);

}  // namespace objmapper::session
