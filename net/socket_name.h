// Addresses as the kernel takes and gives them: unix(7), getaddrinfo(3), getsockname(2).
#pragma once

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/address.h"

namespace objmapper::net {

struct UnixName {
  sockaddr_un name{};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};
// Errors as UnixAddress() of its path.
absl::StatusOr<UnixName> UnixNameOf(const Address& address);

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;
// All addresses of a host and port for sockets of `type` (SOCK_STREAM, SOCK_DGRAM); an empty host
// is any. flags: AI_PASSIVE, or 0. May block. Messages begin with `what`. INVALID_ARGUMENT: the
// host is unknown; UNAVAILABLE: nobody can tell now; else as ErrnoToStatus.
absl::StatusOr<AddressList> Resolve(const Address& address, int type, int flags,
                                    absl::string_view what);

// The address that an IP socket is bound to, in numbers.
absl::StatusOr<Address> BoundAddress(int fd);

}  // namespace objmapper::net
