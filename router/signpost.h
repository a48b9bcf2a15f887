// Which lane a connection goes to.
//
//   signpost.SendFor(mode, std::move(session));         // what its next request asks for is known
//   signpost.SendByUnread(std::move(session));          // it is in what has been received
#pragma once

#include <memory>

#include "protocol/mode.h"
#include "session/lane.h"
#include "session/session.h"

namespace objmapper::router {

// Immutable, so thread-safe.
class Signpost {
 public:
  // fdpass: null: there is no such lane, and `copypath` gets every connection. writable:
  // SessionLimits::writable.
  Signpost(session::Lane* fdpass, session::Lane* copypath, bool writable)
      : fdpass_(fdpass), copypath_(copypath), writable_(writable) {}

  // To the lane that answers `mode`; where any does, as SendHome().
  void SendFor(protocol::Mode mode, std::unique_ptr<session::Session> session) const;
  // To the lane whose the front of session->unread is; where that does not tell, as SendHome().
  void SendByUnread(std::unique_ptr<session::Session> session) const;
  // To the lane that clients on this transport mostly want.
  void SendHome(std::unique_ptr<session::Session> session) const;

 private:
  session::Lane* LaneFor(protocol::Mode mode, session::Transport transport) const;
  session::Lane* Home(session::Transport transport) const {
    return transport == session::Transport::kUnix && fdpass_ != nullptr ? fdpass_ : copypath_;
  }

  session::Lane* fdpass_;
  session::Lane* copypath_;
  bool writable_;
};

}  // namespace objmapper::router
