// An abstract Unix name has its NUL in front, where we write '@'; a path has one at its end.
#include "net/socket_name.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"

namespace objmapper::net {

absl::StatusOr<UnixName> UnixNameOf(const Address& address) {
  if (absl::StatusOr<Address> checked = UnixAddress(address.path); !checked.ok()) {
    return checked.status();
  }
  UnixName result;
  result.name.sun_family = AF_UNIX;
  memcpy(result.name.sun_path, address.path.data(), address.path.size());
  const bool is_abstract = address.path[0] == '@';
  if (is_abstract) result.name.sun_path[0] = '\0';
  result.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.path.size() +
                                         (is_abstract ? 0 : 1));
  return result;
}

absl::StatusOr<AddressList> Resolve(const Address& address, int type, int flags,
                                    absl::string_view what) {
  addrinfo hints{};
  hints.ai_socktype = type;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(address.host.empty() ? nullptr : address.host.c_str(),
                                absl::StrCat(address.port).c_str(), &hints, &found);
  if (error == EAI_SYSTEM) return net::ErrnoToStatus(errno, what);
  if (error != 0) {
    const std::string message = absl::StrCat(what, ": ", gai_strerror(error));
    return error == EAI_AGAIN ? absl::UnavailableError(message)
                              : absl::InvalidArgumentError(message);
  }
  return AddressList(found, &freeaddrinfo);
}

absl::StatusOr<Address> BoundAddress(int fd) {
  sockaddr_storage name;
  socklen_t length = sizeof(name);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length) != 0) {
    return net::ErrnoToStatus(errno, "getsockname");
  }
  char host[NI_MAXHOST];
  const int error = getnameinfo(reinterpret_cast<const sockaddr*>(&name), length, host,
                                sizeof(host), nullptr, 0, NI_NUMERICHOST);
  if (error != 0) return absl::InternalError(absl::StrCat("getnameinfo: ", gai_strerror(error)));
  Address address;
  address.kind = Address::Kind::kTcp;
  address.host = host;
  address.port =
      ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&name)->sin6_port
                                       : reinterpret_cast<const sockaddr_in*>(&name)->sin_port);
  return address;
}

}  // namespace objmapper::net
