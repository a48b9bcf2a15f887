// SO_SNDBUF of Unix sockets. The kernel counts twice what is set (socket(7)); sizes here are what
// is set.
#include "net/send_buffer.h"

#include <sys/socket.h>

#include <algorithm>

#include "net/unique_fd.h"

namespace objmapper::net {
namespace {

// As the kernel counts: twice what was set. 0: `socket` has none.
int Counted(int socket) {
  int bytes = 0;
  socklen_t size = sizeof(bytes);
  return getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, &size) == 0 ? bytes : 0;
}

void Set(int socket, int bytes) {
  setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

}  // namespace

void WidenSendBuffer(int socket, int bytes) {
  // net.core.wmem_default is not doubled, so a limit that equals it widens all the same.
  if (Counted(socket) / 2 < bytes) Set(socket, bytes);
}

int SendBufferAllowed(int bytes) {
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return bytes;
  Set(probe.get(), bytes);
  return std::min(bytes, Counted(probe.get()) / 2);
}

}  // namespace objmapper::net
