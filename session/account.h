// Counting an answer that has gone: for the server, and for its connection.
#pragma once

#include <cstdint>

#include "session/request_log.h"
#include "session/session.h"
#include "session/tally.h"

namespace objmapper::session {

// The owner's thread. Session::answered is the caller's to keep: it is what --requests_per_conn
// goes by, and counts as early as that needs.
inline void Account(const Receipt& receipt, int64_t now_ns, Session* session, TallyLease* tally) {
  if (kCounting) {
    (*tally)->Answered(receipt, now_ns);
    session->bytes.Add(receipt.bytes);
    session->last_mode.store(receipt.mode, std::memory_order_relaxed);
  }
  if (receipt.name != nullptr) LogAnswer(*session, receipt, now_ns);
}

// Of an answer that was counted when it was about to go, at `now_ns`, and has not gone.
inline void TakeBack(const Receipt& receipt, int64_t now_ns, Session* session, TallyLease* tally) {
  if (!kCounting) return;
  (*tally)->TakeBack(receipt, now_ns);
  session->bytes.Add(~receipt.bytes + 1);
}

}  // namespace objmapper::session
