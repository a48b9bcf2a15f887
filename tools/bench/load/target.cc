#include "tools/bench/load/target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace objmapper::bench {

absl::StatusOr<Target> TargetOf(const Endpoint& endpoint) {
  Target target;
  if (endpoint.transport == Transport::kTcp) {
    auto* address = reinterpret_cast<sockaddr_in*>(&target.address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address->sin_port = htons(endpoint.port);
    target.address_bytes = sizeof(*address);
    target.url = absl::StrCat("127.0.0.1:", endpoint.port);
    return target;
  }
  auto* address = reinterpret_cast<sockaddr_un*>(&target.address);
  if (endpoint.path.empty() || endpoint.path.size() >= sizeof(address->sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("unix:", endpoint.path,
                                                   ": a socket's path has 1 to ",
                                                   sizeof(address->sun_path) - 1, " bytes"));
  }
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, endpoint.path.data(), endpoint.path.size());
  target.address_bytes = sizeof(*address);
  target.url = absl::StrCat("unix:", endpoint.path);
  return target;
}

int StartConnect(const Target& target, net::UniqueFd* socket) {
  const sa_family_t family = target.address.ss_family;
  net::UniqueFd made(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!made.valid()) return errno;
  const int on = 1;
  if (family == AF_INET && setsockopt(made.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
    return errno;
  }
  const auto* address = reinterpret_cast<const sockaddr*>(&target.address);
  const int error = connect(made.get(), address, target.address_bytes) == 0 ? 0 : errno;
  if (error == 0 || error == EINPROGRESS) *socket = std::move(made);
  return error;
}

}  // namespace objmapper::bench
