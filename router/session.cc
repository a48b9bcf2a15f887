#include "router/session.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "absl/strings/str_cat.h"

namespace objmapper::router {

uint16_t Session::CapabilitiesOn(Transport transport) {
  if (transport == Transport::kUnix) return protocol::kAllCapabilities;
  return protocol::kAllCapabilities & ~(protocol::kFdInHeader | protocol::kFdBatch);
}

std::string Session::PeerName() const {
  if (transport == Transport::kUnix) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (getsockopt(fd(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return "unix peer";
    return absl::StrCat("unix peer (pid ", peer.pid, ", uid ", peer.uid, ")");
  }
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getpeername(fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return "tcp peer";
  char text[INET6_ADDRSTRLEN] = "?";
  uint16_t port = 0;
  if (address.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
    port = ntohs(v6->sin6_port);
    return absl::StrCat("tcp peer [", text, "]:", port);
  }
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
  inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
  port = ntohs(v4->sin_port);
  return absl::StrCat("tcp peer ", text, ":", port);
}

}  // namespace objmapper::router
