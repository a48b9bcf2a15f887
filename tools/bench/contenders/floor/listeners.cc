#include "tools/bench/contenders/floor/listeners.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

namespace objmapper::bench {

Accepted AcceptFrom(const Listeners& listeners, int listener, int flags) {
  Accepted accepted{accept4(listener, nullptr, nullptr, flags | SOCK_CLOEXEC),
                    listener == listeners.unix_fd};
  if (accepted.fd >= 0 && !accepted.is_unix) {
    const int on = 1;
    setsockopt(accepted.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  return accepted;
}

Accepted AcceptNext(const Listeners& listeners, int flags) {
  while (true) {
    pollfd both[] = {{listeners.unix_fd, POLLIN, 0}, {listeners.tcp_fd, POLLIN, 0}};
    poll(both, 2, -1);
    for (const pollfd& one : both) {
      if (one.revents == 0) continue;
      const Accepted accepted = AcceptFrom(listeners, one.fd, flags);
      if (accepted.fd >= 0) return accepted;
    }
  }
}

}  // namespace objmapper::bench
