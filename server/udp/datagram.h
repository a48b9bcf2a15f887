// Datagrams in batches: recvmmsg(2) and sendmmsg(2).
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "session/tally.h"

namespace objmapper::server::udp {

// The most datagrams that go through one call.
inline constexpr size_t kBatch = 64;

// Who has sent a datagram, and to which of our addresses: all that an answer needs to find back.
struct Sender {
  sockaddr_storage address{};
  socklen_t address_bytes = 0;
  // The IP_PKTINFO or IPV6_PKTINFO message as it came, to go out again.
  alignas(cmsghdr) char local[CMSG_SPACE(sizeof(in6_pktinfo))] = {};
  size_t local_bytes = 0;

  // "127.0.0.1:4711"; for the log.
  std::string Name() const;
};

struct Incoming {
  absl::string_view bytes;  // valid until the next call of Receive()
  bool cut = false;         // longer than any request: the rest is gone
  Sender sender;
};

// The buffers of one thread that receives.
class Receiver {
 public:
  Receiver();
  ~Receiver();

  // What has arrived on `socket`, at most kBatch; never waits. Empty: nothing has, or *error says
  // why not.
  absl::Span<const Incoming> Receive(int socket, int* error);

 private:
  struct Buffers;
  const std::unique_ptr<Buffers> buffers_;
};

struct Outgoing {
  int socket = -1;  // borrowed
  Sender to;
  std::string bytes;
  session::Receipt receipt;
};

// Gives the answers to the kernel in order; never waits. Calls `done(answer, error)` for each: 0,
// or the errno with which it was not taken (EAGAIN, ENOBUFS: no room; EMSGSIZE: more than the way
// carries; ECONNREFUSED: an earlier one found nobody; EPERM: a firewall, ...). All of these concern
// one answer, not the socket.
void Send(absl::Span<const Outgoing> answers,
          absl::FunctionRef<void(const Outgoing& answer, int error)> done);

}  // namespace objmapper::server::udp
