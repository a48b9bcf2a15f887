// Reads, takes requests from the unread bytes and judges them. A refused request stays in its place
// in the order of answers. Descriptors that arrive are either refused, or taken and judged by a
// process that may hang, and closed if no request claims them; none is installed here unchecked.
#include "session/intake.h"

#include <errno.h>
#include <glog/logging.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "net/expendable.h"
#include "net/foreign_kind.h"
#include "net/scm_rights.h"
#include "session/caller.h"
#include "session/http.h"
#include "session/read_watch.h"

namespace objmapper::session {
namespace {

using protocol::Mode;
using protocol::Request;
using protocol::RequestParser;
using protocol::Status;

// A file that is local tells what it is at once; a thread of a synchronous model waits no longer
// for one that is not.
absl::Duration Patience(const Session& session) {
  constexpr absl::Duration kMost = absl::Seconds(5);
  const absl::Duration timeout = session.limits->request_timeout;
  return timeout == absl::ZeroDuration() ? kMost : std::min(timeout, kMost);
}

void Refuse(Request* request, Status status, const char* reason) {
  if (request->refusal != Status::kOk) return;  // the first reason found is the most basic one
  request->refusal = status;
  request->reason = reason;
}

// Why a read-only server refuses; only OP_LIST changes nothing.
const char* ReadOnly(Mode mode) {
  switch (mode) {
    case Mode::kPut:
      return "OP_PUT is not offered: the server is read-only (--writable)";
    case Mode::kPutFd:
      return "OP_PUT_FD is not offered: the server is read-only (--writable)";
    default:
      return "OP_DELETE is not offered: the server is read-only (--writable)";
  }
}

void JudgeOperation(const Session& session, Request* request) {
  if (session.dialect() == protocol::Dialect::kV1) {
    Refuse(request, Status::kUnsupportedOp,
           "V1 has no object operations except OP_STAT: begin with HELLO");
  } else if (request->mode != Mode::kList && !session.limits->writable) {
    Refuse(request, Status::kUnsupportedOp, ReadOnly(request->mode));
  } else if (request->mode == Mode::kPutFd && session.transport != Transport::kUnix) {
    Refuse(request, Status::kInvalidMode, "OP_PUT_FD needs a Unix socket");
  } else if (session.v2() && !session.parser.Has(protocol::kObjectOps)) {
    Refuse(request, Status::kCapabilityError, "OBJECT_OPS was not negotiated in HELLO");
  }
}

// Finds what descriptors came with the request in bytes [begin, end) of the input, and refuses it
// when they are not what it takes. The one of OP_PUT_FD goes to `fd`, the others are let go of.
void ClaimFds(Session* session, size_t begin, size_t end, Request* request, net::ForeignFd* fd) {
  if (session->fds_at.has_value() && *session->fds_at >= begin && *session->fds_at < end &&
      (request->mode != Mode::kPutFd || session->takes_fds())) {
    Refuse(request, Status::kInvalidRequest, "descriptors arrived with a request that takes none");
  }
  // The k-th descriptor of a connection is its k-th OP_PUT_FD's, and rides on its first byte.
  bool wants = request->mode == Mode::kPutFd && session->takes_fds();
  for (Arrival& arrival : session->arrivals) {
    if (arrival.claimed) continue;
    if (wants && arrival.begin <= begin && begin <= arrival.last) {
      wants = false;
      if (arrival.several || arrival.fds.size() > 1) {
        Refuse(request, Status::kInvalidRequest, "more than one descriptor arrived with it");
      } else if (arrival.verdict == net::ReceivedElsewhere::kNoVerdict) {
        Refuse(request, Status::kUnavailable, net::WhyUnfit(arrival.verdict));
      } else if (arrival.verdict != 0) {
        Refuse(request, Status::kInvalidRequest, net::WhyUnfit(arrival.verdict));
      } else if (arrival.lost || arrival.fds.empty()) {
        Refuse(request, Status::kUnavailable,
               "the server has no room for one more descriptor; try again");
      } else {
        *fd = std::move(arrival.fds[0]);
      }
    } else if (arrival.last >= begin && arrival.last < end) {
      Refuse(request, Status::kInvalidRequest,
             "descriptors arrived with a request that takes none");
    } else {
      continue;
    }
    arrival.claimed = true;
    arrival.fds.clear();
  }
  if (wants) Refuse(request, Status::kInvalidRequest, "no descriptor arrived with it");
}

// Whether the server's rules deny it. OP_LIST is judged entry by entry.
bool IsDenied(Session* session, const Request& request) {
  const Access* const access = session->limits->access;
  return access != nullptr && request.mode != Mode::kList &&
         !access->Permits(&session->standing, {session->peer, session->fd(), CallerOf(request)},
                          request.uri, RightFor(request.mode));
}

// The token that AUTH said last in a burst. Only one that a request follows is hashed, or the last:
// they are not answered, so nothing else bounds what any number of them costs.
struct Said {
  Session* session;
  std::optional<absl::string_view> token;

  void Settle() {
    if (token.has_value()) HearToken(*token, session);
    token.reset();
  }
  ~Said() { Settle(); }
};

// Lets go of descriptors that no request in session->unread will claim, nor one of which only the
// beginning is there. Who sends a request byte by byte, with descriptors on each, is refused in the
// end; until then none of them is kept.
void LetGoOfStrays(Session* session, uint64_t body) {
  if (std::all_of(session->arrivals.begin(), session->arrivals.end(),
                  [](const Arrival& a) { return a.fds.empty(); })) {
    return;
  }
  std::vector<bool> wanted(session->arrivals.size());
  const auto want = [&](size_t first_byte) {
    for (size_t i = 0; i < wanted.size(); ++i) {
      const Arrival& arrival = session->arrivals[i];
      if (arrival.claimed || wanted[i] || first_byte < arrival.begin || first_byte > arrival.last)
        continue;
      wanted[i] = true;
      return;
    }
  };
  // As TakeBurst() will do, without taking anything.
  RequestParser parser = session->parser;
  if (body > 0) parser.SkipBody(body);
  const absl::string_view input = session->unread;
  for (size_t at = 0; at < input.size();) {
    const absl::string_view rest = input.substr(at);
    const size_t begin = at + std::min<uint64_t>(parser.to_skip(), rest.size());
    if (begin == input.size()) break;
    Mode mode;
    const RequestParser::Peek peek = parser.PeekMode(rest, &mode);
    if (peek == RequestParser::Peek::kNeedMore ||
        (peek == RequestParser::Peek::kKnown && mode == Mode::kPutFd)) {
      want(begin);
    }
    const RequestParser::Result result = parser.Next(rest);
    if (result.kind != RequestParser::Kind::kRequest && result.kind != RequestParser::Kind::kAuth)
      break;
    if (result.request.mode == Mode::kPut) parser.SkipBody(result.request.body_length);
    at += result.consumed;
  }
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i]) session->arrivals[i].fds.clear();
  }
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

void JudgeRequest(Session* session, Request* request) {
  if (request->mode == Mode::kFdPass && session->transport != Transport::kUnix) {
    Refuse(request, Status::kInvalidMode, "OP_FDPASS needs a Unix socket");
  } else if (IsOperation(request->mode)) {
    JudgeOperation(*session, request);
  }
  const SessionLimits& limits = *session->limits;
  if (limits.rate.interval_ns != 0) {
    // What is refused anyhow counts too: it is work all the same.
    const int64_t wait_ns = limits.rate.Take(request->received_ns, &session->rate_full_ns);
    if (wait_ns > 0) {
      Refuse(request, Status::kUnavailable,
             "more requests than this connection may send (rate limit)");
      request->retry_after_ms =
          static_cast<uint32_t>(std::min<int64_t>(wait_ns / 1'000'000 + 1, UINT32_MAX));
    }
  }
  if (request->refusal == Status::kOk && IsDenied(session, *request)) {
    Refuse(request, Status::kPermissionDenied, "the server's rules do not allow this");
  }
  if (limits.reads != nullptr && request->refusal == Status::kOk && !IsOperation(request->mode))
    limits.reads->OnRead(request->uri);
  if (limits.log_requests || limits.slow_request_ns != 0 ||
      (limits.access_log != nullptr && request->http != nullptr)) {
    request->name = std::make_shared<const std::string>(request->uri);
  }
  if (request->mode == Mode::kPut && request->refusal != Status::kOk && session->http == nullptr) {
    // The body follows whatever the answer is, so the stream's position stays known.
    session->parser.SkipBody(request->body_length);
  }
}

bool IsOperation(Mode mode) {
  return mode == Mode::kPut || mode == Mode::kPutFd || mode == Mode::kDelete || mode == Mode::kList;
}

Right RightFor(Mode mode) {
  const bool writes = mode == Mode::kPut || mode == Mode::kPutFd || mode == Mode::kDelete;
  return writes ? Right::kWrite : Right::kRead;
}

void TakeBurst(Session* session, absl::string_view input, std::optional<LaneKind> lane,
               size_t outstanding, size_t requests_max, Burst* burst, const InPlace* in_place) {
  burst->requests.clear();
  burst->fd.Reset();
  burst->consumed = 0;
  burst->dropped = false;
  if (session->http != nullptr) {
    TakeHttpBurst(session, input, requests_max, burst);
    return;
  }
  RequestParser& parser = session->parser;
  // Without PIPELINING a client that sends early is served in order, as a V1 client is: there is
  // no number that it could have exceeded.
  const size_t outstanding_max =
      parser.Has(protocol::kPipelining) ? parser.max_pipeline() : SIZE_MAX;
  size_t taken = 0;
  Said said{session};
  while (true) {
    const absl::string_view rest = input.substr(burst->consumed);
    if (taken >= requests_max) {
      burst->end = Burst::End::kFull;
      return;
    }
    bool others = false;  // another lane's, unless it is answered in place
    Mode mode;
    if (parser.PeekMode(rest, &mode) == RequestParser::Peek::kKnown) {
      const std::optional<LaneKind> wanted =
          LaneOf(mode, session->transport, session->limits->writable);
      others = lane.has_value() && wanted.has_value() && *wanted != *lane;
      if (others && in_place == nullptr) {
        burst->end = Burst::End::kOtherLane;
        return;
      }
      if (taken > 0 && !others && wanted.has_value() && IsOperation(mode)) {
        burst->end = Burst::End::kFull;
        return;
      }
    }
    // Where the next message begins: behind what is left of a refused body.
    const size_t begin = burst->consumed + std::min<uint64_t>(parser.to_skip(), rest.size());
    burst->dropped = burst->dropped || begin > burst->consumed;
    RequestParser::Result result = parser.Next(rest);
    if (result.kind == RequestParser::Kind::kRequest) {
      said.Settle();
      Attribute(session, &result.request);
    }
    // Whoever answers in place looks for the object. For whom the rules deny it nobody looks:
    // neither the time that it takes nor where the connection goes tells whether it is there.
    if (others && result.kind == RequestParser::Kind::kRequest &&
        result.request.refusal == Status::kOk &&
        (IsOperation(mode) || !IsDenied(session, result.request)) && !(*in_place)(result.request)) {
      // Not taken after all. A request of these modes leaves no trace in the parser, but what was
      // to be skipped before it has been.
      burst->consumed = begin;
      burst->end = Burst::End::kOtherLane;
      return;
    }
    burst->consumed += result.consumed;
    switch (result.kind) {
      case RequestParser::Kind::kNeedMore:
        burst->end = Burst::End::kNeedMore;
        return;
      case RequestParser::Kind::kHello:
        // The router has taken HELLO before any lane sees the session, and a second one is an
        // unknown message type to the parser.
        LOG(FATAL) << "HELLO in a lane";
        return;
      case RequestParser::Kind::kClose:
        burst->end = Burst::End::kClose;
        return;
      case RequestParser::Kind::kFatal:
        burst->end = Burst::End::kFatal;
        burst->fatal = result;
        return;
      case RequestParser::Kind::kAuth:
        said.token = result.token;
        continue;
      case RequestParser::Kind::kRequest:
        break;
    }
    Request& request = result.request;
    request.received_ns = session->received_ns.load(std::memory_order_relaxed);
    if (outstanding + taken >= outstanding_max) {
      Refuse(&request, Status::kInvalidRequest, "more requests outstanding than max_pipeline");
    }
    ClaimFds(session, begin, burst->consumed, &request, &burst->fd);
    JudgeRequest(session, &request);
    burst->requests.push_back(request);
    ++taken;
    if (IsOperation(request.mode) && request.refusal == Status::kOk) {
      burst->end = Burst::End::kOperation;
      return;
    }
    burst->fd.Reset();
  }
}

bool HasStrayFds(const Session& session, size_t bytes) {
  if (session.fds_at.has_value() && *session.fds_at < bytes) return true;
  return std::any_of(session.arrivals.begin(), session.arrivals.end(),
                     [bytes](const Arrival& a) { return !a.claimed && a.last < bytes; });
}

void KeepUnread(Session* session, absl::string_view input, size_t consumed, uint64_t body) {
  DCHECK_LE(consumed, input.size());
  if (session->fds_at.has_value()) {
    if (*session->fds_at < consumed) {
      session->fds_at.reset();
    } else {
      *session->fds_at -= consumed;
    }
  }
  if (!session->arrivals.empty()) {
    std::erase_if(session->arrivals, [consumed](const Arrival& a) { return a.last < consumed; });
    for (Arrival& arrival : session->arrivals) {
      arrival.begin -= std::min(arrival.begin, consumed);
      arrival.last -= consumed;
    }
  }
  const absl::string_view rest = input.substr(consumed);
  if (rest.empty()) {
    // Most of the time. An idle connection keeps no buffer.
    if (session->unread.capacity() > 64) std::string().swap(session->unread);
    session->unread.clear();
  } else if (rest.data() >= session->unread.data() &&
             rest.data() < session->unread.data() + session->unread.size()) {
    session->unread.erase(0, static_cast<size_t>(rest.data() - session->unread.data()));
  } else {
    session->unread.assign(rest.data(), rest.size());
  }
  if (session->http != nullptr) {
    session->arrivals.clear();  // nothing in HTTP takes descriptors
  } else if (!session->arrivals.empty()) {
    LetGoOfStrays(session, body);
  }
}

void OrderForService(const Session& session, std::vector<protocol::Request>* requests) {
  if (requests->size() < 2 || !session.parser.Has(protocol::kOutOfOrderReplies)) return;
  // Moving a request forward never puts it behind one that it was ahead of, and an ORDERED request
  // is not moved itself, so its answer still follows all earlier ones.
  std::stable_partition(requests->begin(), requests->end(),
                        [](const Request& r) { return r.priority() && !r.ordered(); });
}

}  // namespace objmapper::session
