// What the first bytes of a connection say: whose it is, or how it ends.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/mode.h"
#include "protocol/opening.h"
#include "session/session.h"

namespace objmapper::router {

struct Opening {
  enum class Kind : uint8_t {
    kSilent,    // nothing has come
    kHalfSaid,  // a part of the first request has
    kMode,      // a request for `mode`
    kAny,       // something that any lane answers, or that only a lane's read gets past
    kOver,      // it has gone, or is to be closed as it is
    kFarewell,  // it is to be told `farewell`, and retired
  };
  Kind kind = Kind::kSilent;
  protocol::Mode mode{};
  std::string farewell;
  bool greeted = false;  // it has said HELLO, which has been taken and answered
};

// Whose the first two bytes are, which stay in the socket; of one that says nothing more, kOwn.
// Never waits.
protocol::Opening PeekOpening(const session::Session& session);

// Looks at what has come, with MSG_PEEK, so that the lane finds the request whole in the socket;
// V2's HELLO is taken, and mostly an AUTH behind it, since the mode comes after them. peer_done:
// nothing more will come. Does not wait.
Opening LookAtOpening(session::Session* session, bool peer_done);

}  // namespace objmapper::router
