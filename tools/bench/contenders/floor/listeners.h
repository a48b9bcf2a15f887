// A floor's two listening sockets.
#pragma once

namespace objmapper::bench {

struct Listeners {
  int unix_fd = -1;
  int tcp_fd = -1;
};

struct Accepted {
  int fd = -1;  // -1: none; TCP_NODELAY is set
  bool is_unix = false;
};

// Waits until somebody connects. `flags`: as accept4(2).
Accepted AcceptNext(const Listeners& listeners, int flags);
// One that waits at the (non-blocking) `listener`, if any.
Accepted AcceptFrom(const Listeners& listeners, int listener, int flags);

}  // namespace objmapper::bench
