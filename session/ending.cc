// The decisions of session/ending.h. None of them touches the socket: the caller sends the words.
#include "session/ending.h"

#include <glog/logging.h>

#include "protocol/capabilities.h"
#include "session/answers.h"

namespace objmapper::session {

using protocol::CloseReason;
using protocol::Status;

Ending EndingOf(const Session& session, Burst::End end,
                const protocol::RequestParser::Result& fatal, bool draining, bool departing) {
  if (!session.exhausted()) {
    if (end == Burst::End::kFatal) {
      Ending ending{Ending::Next::kRetire, ""};
      LOG_EVERY_T(WARNING, 1) << session.PeerName() << ": " << fatal.reason;
      AppendFatal(session.dialect(), fatal.id, fatal.status, fatal.reason, &ending.farewell);
      return ending;
    }
    if (end == Burst::End::kClose) {
      Ending ending{Ending::Next::kRetire, ""};
      AppendCloseAck(session.dialect(), &ending.farewell);
      return ending;
    }
  }
  return EndingAtRest(session, end, draining, departing);
}

Ending EndingAtRest(const Session& session, Burst::End end, bool draining, bool departing) {
  Ending ending{Ending::Next::kRetire, ""};
  if (session.exhausted()) {
    AppendClose(session.dialect(), CloseReason::kNormal, &ending.farewell);
    return ending;
  }
  if (IsOver(session)) return ending;
  if (end == Burst::End::kOtherLane || (draining && departing && !session.peer_done)) {
    if (DropsBody(session)) return ending;  // of which the next owner would know nothing
    ending.next = Ending::Next::kRoute;
    return ending;
  }
  if (end != Burst::End::kNeedMore) {
    ending.next = Ending::Next::kAgain;
    return ending;
  }
  if (session.peer_done) {
    if (IsHalfSaid(session) && !DropsBody(session)) {
      AppendFatal(session.dialect(), 0, Status::kProtocolError, kEndedHalfSaid, &ending.farewell);
    }
    return ending;
  }
  if (draining) {
    AppendClose(session.dialect(), CloseReason::kShuttingDown, &ending.farewell);
    return ending;
  }
  ending.next = Ending::Next::kGoOn;
  return ending;
}

std::string LateFarewell(const Session& session, bool half_said, absl::string_view why) {
  std::string farewell;
  if (!half_said) {
    AppendClose(session.dialect(), CloseReason::kIdleTimeout, &farewell);
    return farewell;
  }
  if (DropsBody(session)) return farewell;  // it has had its answer
  if (why.empty()) why = kLateHalfSaid;
  LOG_EVERY_T(WARNING, 1) << session.PeerName() << ": closed, " << why;
  AppendFatal(session.dialect(), 0, Status::kTimeout, why, &farewell);
  return farewell;
}

}  // namespace objmapper::session
