// How a conversation ends: the one place that decides, when nothing is owed on a connection,
// whether it goes on, moves to another owner, or is over, and with which words.
//
//   const Ending ending = EndingOf(*session, burst.end, burst.fatal, draining, departing);
//   if (ending.next == Ending::Next::kRoute) switchboard->Route(std::move(session));
//
// Every lane and every model asks it after each burst; what differs between them is only how they
// send and wait. The caller's thread, which owns the session.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "protocol/objm/request_parser.h"
#include "session/http.h"
#include "session/intake.h"
#include "session/session.h"

namespace objmapper::session {

// True when the rest of something has to come before the connection can be idle: half a request, or
// what is left of a refused body.
inline bool IsHalfSaid(const Session& session) {
  return !session.unread.empty() || session.parser.skipping() || DropsBody(session) ||
         LacksBody(session);
}

// What is said, with PROTOCOL_ERROR and TIMEOUT, when that does not come.
inline constexpr char kEndedHalfSaid[] = "the connection ended in the middle of a request";
inline constexpr char kLateHalfSaid[] = "the rest of the request did not arrive in time";

struct Ending {
  enum class Next : uint8_t {
    kGoOn,    // wait for more
    kAgain,   // complete requests may be unread: take another burst, without waiting
    kRoute,   // to whoever answers next: another lane, or the server that takes over
    kRetire,  // say `farewell`, which may be empty, and retire it
  };
  Next next = Next::kGoOn;
  std::string farewell;
};

// What comes of a connection once all that a burst brought is answered. end, fatal: the burst's.
//
// draining, departing: the server's state (Switchboard::Departing()). A connection that departs
// moves whatever it wants next; one that drains is told so when it has nothing more to say. A
// message that the stream cannot go on after is logged here.
Ending EndingOf(const Session& session, Burst::End end,
                const protocol::RequestParser::Result& fatal, bool draining, bool departing);

// The same where `end` is neither kClose nor kFatal.
Ending EndingAtRest(const Session& session, Burst::End end, bool draining, bool departing);

// The farewell of a connection whose time is up. half_said: it began something and did not finish
// it in time, which is a protocol error and logged, with `why`; else it was idle.
std::string LateFarewell(const Session& session, bool half_said, absl::string_view why = "");

}  // namespace objmapper::session
