// UDP sockets: a server's, which answers whoever writes, and a client's, which knows one server.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/address.h"
#include "net/unique_fd.h"

namespace objmapper::net {

// The most bytes that one datagram carries over IPv4: 65535 without the headers of IP (20) and UDP
// (8).
inline constexpr size_t kDatagramBytesMax = 65507;

// "udp://127.0.0.1:7071" of a host and port (Address::Kind::kTcp, which is read by
// ParseHostPort()).
std::string UdpUrl(const Address& address);

// Reads "udp://host:port" or "udp://[v6]:port". INVALID_ARGUMENT: anything else; the message quotes
// `url` and says what was expected.
absl::StatusOr<Address> ParseUdpUrl(absl::string_view url);

struct BoundUdp {
  UniqueFd fd;
  Address address;  // as bound: numeric, and port 0 has become the port the kernel chose
};

// Binds a non-blocking socket to a host and port. It tells of each datagram by which local address
// it came (IP_PKTINFO, IPV6_RECVPKTINFO), so that the answer can leave by the same: who listens on
// 0.0.0.0 and answers from another address than it was asked at is not understood by a client whose
// socket is connected.
//
// shared: SO_REUSEPORT, so that a successor of the same user can bind the address while this server
// still has it. Errors: ALREADY_EXISTS (somebody has the port), INVALID_ARGUMENT (the host is
// unknown), else as ErrnoToStatus; the message names the address.
absl::StatusOr<BoundUdp> BindUdp(const Address& address, bool shared);

// A blocking socket that sends to `address` and receives from there alone. Nothing is sent: that
// nobody listens shows as ECONNREFUSED later, or not at all. Errors: INVALID_ARGUMENT (the host is
// unknown), else as ErrnoToStatus.
absl::StatusOr<UniqueFd> ConnectUdp(const Address& address);

}  // namespace objmapper::net
