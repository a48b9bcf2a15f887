// What the log says of single requests: of slow ones, or of all.
//
//   slow: unix peer (pid 71, uid 1000): OP_COPY "models/a.bin": OK, 1048576 bytes, 153204 us
#pragma once

#include <cstdint>

#include "session/session.h"
#include "session/tally.h"

namespace objmapper::session {

// Writes what SessionLimits asks for about an answer that has gone: a line when all requests are
// logged, or when it took slow_request_ns or more. Of slow ones at most ten a second are written;
// the next says how many were not. The owner's thread.
void LogAnswer(const Session& session, const Receipt& receipt, int64_t now_ns);

}  // namespace objmapper::session
