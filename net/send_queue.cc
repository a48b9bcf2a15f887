// SIOCOUTQ: whether a peer has read or acknowledged anything since the last look.
#include "net/send_queue.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <utility>

namespace objmapper::net {
namespace {

// What was sent and the peer has not taken: not acknowledged over TCP (tcp(7)), not read over a
// Unix socket. There it counts what the pieces take up in memory.
int Queued(int socket) {
  int bytes = 0;
  return ioctl(socket, SIOCOUTQ, &bytes) == 0 ? bytes : INT_MAX;
}

}  // namespace

void SendQueue::Watch(int socket) { bytes_ = Queued(socket); }

bool SendQueue::Shrank(int socket) {
  const int bytes = Queued(socket);
  return bytes < std::exchange(bytes_, bytes);
}

}  // namespace objmapper::net
