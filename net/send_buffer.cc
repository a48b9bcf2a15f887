// SO_SNDBUF of Unix sockets. The kernel counts twice what is set (socket(7)); sizes here are what
// is set.
#include "net/send_buffer.h"

#include <sys/socket.h>

#include <algorithm>

#include "net/socket_option.h"
#include "net/unique_fd.h"

namespace objmapper::net {

void WidenSendBuffer(int socket, int bytes) {
  // net.core.wmem_default is not doubled, so a limit that equals it widens all the same.
  if (GetOption(socket, SOL_SOCKET, SO_SNDBUF) / 2 < bytes)
    SetOption(socket, SOL_SOCKET, SO_SNDBUF, bytes);
}

int SendBufferAllowed(int bytes) {
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return bytes;
  SetOption(probe.get(), SOL_SOCKET, SO_SNDBUF, bytes);
  return std::min(bytes, GetOption(probe.get(), SOL_SOCKET, SO_SNDBUF) / 2);
}

}  // namespace objmapper::net
