// Looks at the first bytes again and again until they decide something, or there are no more.
#include "router/opening.h"

#include <errno.h>
#include <glog/logging.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <utility>

#include "protocol/limits.h"
#include "protocol/objm/encode.h"
#include "protocol/opening.h"
#include "router/short_io.h"
#include "session/answers.h"
#include "session/caller.h"
#include "session/ending.h"
#include "session/http.h"

namespace objmapper::router {
namespace {

using Kind = Opening::Kind;
using protocol::RequestParser;

// Enough for the bytes up to the mode byte, in either dialect.
constexpr size_t kPeekBytes = protocol::kHelloBytes + 16;

// Takes a HELLO of `bytes` bytes, which the parser has read, and answers it. False: it is over.
bool Greet(session::Session* session, size_t bytes) {
  if (!DropBytes(*session, bytes)) {
    LOG_EVERY_T(WARNING, 1) << session->PeerName() << ": closed, it sent descriptors with HELLO";
    return false;
  }
  session->AllowFds();
  char ack[protocol::kHelloAckBytes];
  const size_t size =
      protocol::EncodeHelloAck(session->parser.capabilities(), session->parser.max_pipeline(),
                               session->limits->parallelism, ack);
  return SendShort(session->fd(), absl::string_view(ack, size));
}

// Takes AUTH off the socket if a whole one is what comes next, since the mode comes after it.
// False: it is not, or descriptors may come behind it, and a lane is to look: a look at exactly its
// bytes reports those of the next message, too (MSG_PEEK in the kernel's net/unix/af_unix.c).
bool HearAuth(session::Session* session) {
  if (session->may_bring_fds) return false;
  char buffer[protocol::kAuthHeaderBytes + protocol::kTokenBytesMax];
  const ssize_t got =
      TEMP_FAILURE_RETRY(recv(session->fd(), buffer, sizeof(buffer), MSG_PEEK | MSG_DONTWAIT));
  if (got <= 0) return false;
  const RequestParser::Result result =
      session->parser.Next(absl::string_view(buffer, static_cast<size_t>(got)));
  if (result.kind != RequestParser::Kind::kAuth) return false;
  session::HearToken(result.token, session);
  DropBytes(*session, result.consumed);
  return true;
}

}  // namespace

protocol::Opening PeekOpening(const session::Session& session) {
  char buffer[2];
  const ssize_t got =
      TEMP_FAILURE_RETRY(recv(session.fd(), buffer, sizeof(buffer), MSG_PEEK | MSG_DONTWAIT));
  if (!session.limits->http || got == 0) return protocol::Opening::kOwn;
  if (got < 0) return errno == EAGAIN ? protocol::Opening::kNeedMore : protocol::Opening::kOwn;
  return protocol::OpeningOf(absl::string_view(buffer, static_cast<size_t>(got)));
}

Opening LookAtOpening(session::Session* session, bool peer_done) {
  Opening opening;
  bool heard = false;  // one AUTH; who sends more of them has a lane take them
  const auto is = [&opening](Kind kind) {
    opening.kind = kind;
    return opening;
  };
  while (true) {
    char buffer[kPeekBytes];
    const ssize_t got = recv(session->fd(), buffer, sizeof(buffer), MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;  // edge-triggered: nobody will tell again
    if (got < 0 && errno == EAGAIN) return is(Kind::kSilent);
    if (got <= 0) return is(Kind::kOver);  // it came and went without a word, or was reset
    const absl::string_view input(buffer, static_cast<size_t>(got));
    const bool undecided =
        session->limits->http && session->dialect() == protocol::Dialect::kUnknown;
    const protocol::Opening whose =
        undecided ? protocol::OpeningOf(input) : protocol::Opening::kOwn;
    if (whose == protocol::Opening::kHttp) session::BeginHttp(session);
    if (session->http != nullptr) {
      opening.mode = protocol::Mode::kCopy;
      return is(Kind::kMode);
    }
    const RequestParser::Peek peek = whose == protocol::Opening::kNeedMore
                                         ? RequestParser::Peek::kNeedMore
                                         : session->parser.PeekMode(input, &opening.mode);
    if (peek == RequestParser::Peek::kKnown) return is(Kind::kMode);
    if (peek == RequestParser::Peek::kOther) {
      if (session->dialect() != protocol::Dialect::kUnknown) {
        if (std::exchange(heard, true) || !HearAuth(session)) return is(Kind::kAny);
        continue;
      }
      const RequestParser::Result result = session->parser.Next(input);
      if (result.kind == RequestParser::Kind::kHello) {
        if (!Greet(session, result.consumed)) return is(Kind::kOver);
        opening.greeted = true;
        continue;  // the first request may be here already
      }
      if (result.kind == RequestParser::Kind::kFatal) {
        session::AppendError(protocol::Dialect::kV1, 0, result.status, result.reason,
                             &opening.farewell);
        LOG_EVERY_T(WARNING, 1) << session->PeerName() << ": " << result.reason;
        return is(Kind::kFarewell);
      }
      CHECK(result.kind == RequestParser::Kind::kNeedMore);
    }
    // A part of the first message is here. A look ends at the first message that carries
    // descriptors; only a reader gets past it.
    int queued = 0;
    if (session->v2() && ioctl(session->fd(), FIONREAD, &queued) == 0 && queued > got)
      return is(Kind::kAny);
    if (!peer_done) return is(Kind::kHalfSaid);
    session::AppendFatal(session->dialect(), 0, protocol::Status::kProtocolError,
                         session::kEndedHalfSaid, &opening.farewell);
    return is(Kind::kFarewell);
  }
}

}  // namespace objmapper::router
