// Reads the mode of a request as far as it is there, and hands the whole connection over.
#include "router/signpost.h"

#include <optional>
#include <utility>

#include "net/clock.h"
#include "protocol/objm/request_parser.h"

namespace objmapper::router {
namespace {

void HandTo(session::Lane* lane, std::unique_ptr<session::Session> session) {
  session->handed_ns = net::NowNs();
  lane->Adopt(std::move(session));
}

}  // namespace

void Signpost::SendFor(protocol::Mode mode, std::unique_ptr<session::Session> session) const {
  session::Lane* const lane = LaneFor(mode, session->transport);
  HandTo(lane, std::move(session));
}

void Signpost::SendByUnread(std::unique_ptr<session::Session> session) const {
  protocol::Mode mode;
  session::Lane* lane = Home(session->transport);
  if (session->fds_wait || session->http != nullptr) {
    lane = copypath_;
  } else if (session->parser.PeekMode(session->unread, &mode) ==
             protocol::RequestParser::Peek::kKnown) {
    lane = LaneFor(mode, session->transport);
  }
  HandTo(lane, std::move(session));
}

void Signpost::SendHome(std::unique_ptr<session::Session> session) const {
  session::Lane* const lane = Home(session->transport);
  HandTo(lane, std::move(session));
}

session::Lane* Signpost::LaneFor(protocol::Mode mode, session::Transport transport) const {
  const std::optional<session::LaneKind> kind = session::LaneOf(mode, transport, writable_);
  if (!kind.has_value()) return Home(transport);
  return *kind == session::LaneKind::kFdPass && fdpass_ != nullptr ? fdpass_ : copypath_;
}

}  // namespace objmapper::router
