// An answer that has gone: counted for the server and for its connection, and logged where it is to
// be.
//
//   slow: unix peer (pid 71, uid 1000): OP_COPY "models/a.bin": OK, 1048576 bytes, 153204 us
//
// Answers of HTTP have a log of their own (access_log.h).
#pragma once

#include <cstdint>

#include "session/session.h"
#include "session/tally.h"

namespace objmapper::session {

// Writes what SessionLimits asks for about an answer: a line in the log of HTTP's answers; one when
// all requests are logged, or when it took slow_request_ns or more. Of slow ones at most ten a
// second are written; the next says how many were not. The owner's thread.
void LogAnswer(const Session& session, const Receipt& receipt, int64_t now_ns);

// The owner's thread. Session::answered is the caller's to keep: it is what --requests_per_conn
// goes by, and counts as early as that needs.
inline void Account(const Receipt& receipt, int64_t now_ns, Session* session, TallyLease* tally) {
  if (kCounting) {
    (*tally)->Answered(receipt, now_ns, session->dialect());
    session->bytes.Add(receipt.bytes);
    session->last_mode.store(receipt.mode, std::memory_order_relaxed);
    session->last_dialect.store(session->dialect(), std::memory_order_relaxed);
  }
  if (receipt.name != nullptr) LogAnswer(*session, receipt, now_ns);
}

// Of an answer that was counted when it was about to go, at `now_ns`, and has not gone.
inline void TakeBack(const Receipt& receipt, int64_t now_ns, Session* session, TallyLease* tally) {
  if (!kCounting) return;
  (*tally)->TakeBack(receipt, now_ns, session->dialect());
  session->bytes.Add(~receipt.bytes + 1);
}

}  // namespace objmapper::session
