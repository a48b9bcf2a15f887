// How long one wait for a socket may still take: a deadline, whatever interrupts the waiting.
//
//   Patience patience(absl::Seconds(1));
//   while (recv(fd, ..., MSG_DONTWAIT) < 0) {          // EAGAIN
//     if (!patience.Await(fd, POLLIN)) return "silent for 1 s";
//   }
//
// A signal does not begin the time anew, and nobody is called late before the socket has been
// looked at after the time was up: the process may have been stopped (SIGSTOP) or frozen in
// between, and what came meanwhile came in time. When that was for a second or more, the other side
// may have been frozen too: then, once, there is as much time again.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace objmapper::net {

// One thread's. Two calls of the vDSO when nothing is waited for.
class Patience {
 public:
  // From now on. InfiniteDuration(): for ever.
  explicit Patience(absl::Duration timeout);

  // Waits until poll(2) reports one of `events`, an error or the end. False: the time is up, and
  // there was none of these.
  bool Await(int fd, short events);

 private:
  int64_t until_ns_;  // CLOCK_MONOTONIC; kNever
  int64_t timeout_ns_;
  bool excused_ = false;
};

}  // namespace objmapper::net
