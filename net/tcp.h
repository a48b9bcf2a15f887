// What our end of TCP connections is told before it is used.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace objmapper::net {

// Congestion control (tcp(7)) by the peer's place: on this machine there is no congestion, but some
// pace what they send (bbr), at a timer for each piece.
class CongestionControl {
 public:
  // local: for peers on this machine; the others have the system's. Empty: all have.
  explicit CongestionControl(const std::string& local);

  // Whether `name` may be chosen here. INVALID_ARGUMENT: no; the message says why, and what there
  // is.
  static absl::Status Check(const std::string& name);

  // A connection begins with what its listener has, and has to: one that began with a control that
  // paces goes on pacing. Where the kernel will have none of it, all is as the system has it.
  void PrepareListener(int listener) const;
  // Afterwards, of a connection that came there.
  void Prepare(int socket) const;

 private:
  std::string local_;
  std::string remote_;  // the system's; empty: nothing is to be changed
};

// Whether what is sent there is paced by timers (bbr): then a piece costs more than its bytes, and
// few large ones are wanted.
bool Paces(int socket);

// An answer leaves at once (TCP_NODELAY).
void SendAtOnce(int socket);

}  // namespace objmapper::net
