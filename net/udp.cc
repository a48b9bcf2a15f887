// UDP sockets, bound or connected. Resolving may block: a server calls this only at its start.
#include "net/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "net/errno_status.h"
#include "net/socket_name.h"
#include "net/socket_option.h"

namespace objmapper::net {
namespace {

// An invalid descriptor on failure, with errno set.
UniqueFd BindTo(const addrinfo& info, bool shared) {
  UniqueFd fd(socket(info.ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, info.ai_protocol));
  if (!fd.valid()) return fd;
  const bool v6 = info.ai_family == AF_INET6;
  const bool set = (!v6 || SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1)) &&
                   (!shared || SetOption(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1)) &&
                   (v6 ? SetOption(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
                       : SetOption(fd.get(), IPPROTO_IP, IP_PKTINFO, 1));
  if (!set || bind(fd.get(), info.ai_addr, info.ai_addrlen) != 0) fd.Reset();  // keeps errno
  return fd;
}

}  // namespace

std::string UdpUrl(const Address& address) {
  return absl::StrCat("udp://", absl::StripPrefix(address.ToUrl(), "tcp://"));
}

absl::StatusOr<Address> ParseUdpUrl(absl::string_view url) {
  absl::string_view rest = url;
  const size_t colon = url.rfind(':');
  if (!absl::ConsumePrefix(&rest, "udp://") || colon < url.size() - rest.size() ||
      absl::StartsWith(rest, ":")) {
    return absl::InvalidArgumentError(
        absl::StrCat("bad address \"", url, "\": expected udp://host:port or udp://[v6]:port"));
  }
  absl::StatusOr<Address> address = ParseHostPort(rest);
  if (address.ok() && address->port == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("bad address \"", url, "\": port 0 cannot be used"));
  }
  return address;
}

absl::StatusOr<BoundUdp> BindUdp(const Address& address, bool shared) {
  const std::string what = absl::StrCat("listen on ", UdpUrl(address));
  absl::StatusOr<AddressList> found = Resolve(address, SOCK_DGRAM, AI_PASSIVE, what);
  if (!found.ok()) return found.status();
  UniqueFd fd;
  int error = 0;
  // A name may have addresses of a family that this machine lacks; one that is in use ends the
  // search.
  for (const addrinfo* info = found->get(); info != nullptr; info = info->ai_next) {
    fd = BindTo(*info, shared);
    if (fd.valid()) break;
    error = errno;
    if (error == EADDRINUSE) break;
  }
  if (!fd.valid()) return net::ErrnoToStatus(error, what);
  absl::StatusOr<Address> bound = BoundAddress(fd.get());
  if (!bound.ok()) return bound.status();
  return BoundUdp{std::move(fd), *std::move(bound)};
}

absl::StatusOr<UniqueFd> ConnectUdp(const Address& address) {
  const std::string what = absl::StrCat("connect to ", UdpUrl(address));
  absl::StatusOr<AddressList> found = Resolve(address, SOCK_DGRAM, 0, what);
  if (!found.ok()) return found.status();
  int error = 0;
  for (const addrinfo* info = found->get(); info != nullptr; info = info->ai_next) {
    UniqueFd fd(socket(info->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, info->ai_protocol));
    if (fd.valid() && connect(fd.get(), info->ai_addr, info->ai_addrlen) == 0) return fd;
    error = errno;
  }
  return net::ErrnoToStatus(error, what);
}

}  // namespace objmapper::net
