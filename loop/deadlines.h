// How long the connections of a loop may take: idle, or busy.
//
// Invariant: one of the two runs for each connection that is to live, or none where it has no
// bound.
#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"
#include "loop/connection.h"
#include "net/deadline_list.h"

namespace objmapper::loop {

// The loop's thread's.
class Deadlines {
 public:
  // 0: no bound.
  Deadlines(absl::Duration idle, absl::Duration busy) : idle_(idle), busy_(busy) {}

  // Anew, if it was running.
  void Start(Connection* connection, bool idle, int64_t now_ns) {
    (idle ? busy_ : idle_).Stop(connection);
    (idle ? idle_ : busy_).Start(connection, now_ns);
  }
  void Stop(Connection* connection) {
    idle_.Stop(connection);
    busy_.Stop(connection);
  }
  // For Connection::OnDeadline(): its time once more. False: it has had that already.
  bool Excuse(Connection* connection, bool idle, int64_t now_ns) {
    return (idle ? idle_ : busy_).Excuse(connection, now_ns);
  }
  bool IsBusy(const Connection* connection) const { return busy_.Has(connection); }

  // looked_ns: as DeadlineList::PopLate()'s.
  void Expire(int64_t looked_ns) {
    while (Connection* late = idle_.PopLate(looked_ns)) late->OnDeadline(/*idle=*/true);
    while (Connection* late = busy_.PopLate(looked_ns)) late->OnDeadline(/*idle=*/false);
  }
  int64_t NextExpiryNs() const { return std::min(idle_.NextExpiryNs(), busy_.NextExpiryNs()); }

 private:
  net::DeadlineList<Connection, &Connection::deadline> idle_;
  net::DeadlineList<Connection, &Connection::deadline> busy_;
};

}  // namespace objmapper::loop
