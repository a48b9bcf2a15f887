// Objects by UDP, from a server with --listen_udp: no connection, no handshake, and no order.
//
//   absl::StatusOr<UdpClient> client = UdpClient::Open("udp://127.0.0.1:7071");
//   absl::StatusOr<UdpObject> object = client->Get("labels/7.json");
//
// What fits one datagram takes one round trip. What does not is fetched in ranges, several of them
// on their way at once; each answer names the version that it is of, and what is returned is of one
// version. Who wants descriptors, or much data, uses client/client.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/object.h"
#include "net/unique_fd.h"
#include "protocol/mode.h"
#include "protocol/status.h"

namespace objmapper::client {

struct UdpOptions {
  // A request is sent again after `first_wait`, then after twice that and so on up to `wait_max`,
  // until `request_timeout` after it was sent first: then the call fails.
  absl::Duration first_wait = absl::Milliseconds(50);
  absl::Duration wait_max = absl::Seconds(1);
  absl::Duration request_timeout = absl::Seconds(30);
  // Whether what is UNAVAILABLE is asked for again, when the server says, until request_timeout.
  bool retry = true;
  // The most requests on their way at once. Fewer when answers get lost, and when the socket's
  // buffer would not hold what they bring.
  size_t window_max = 32;
  // The most bytes of an object that one answer may bring, where the server would send larger
  // datagrams than the way carries well.
  size_t range_bytes_max = 65507;
  // How often an object that is replaced while it is fetched is begun anew.
  int versions_max = 8;
  // Larger ones are refused.
  uint64_t bytes_max = uint64_t{4} << 30;
};

struct UdpObject {
  std::string bytes;
  ObjectInfo info;
};

// Movable. Not thread-safe: one for each thread.
//
// Errors, by SourceOf() (client/error.h):
//   kServer      the server's answer; UNAVAILABLE, with `retry`, only when it stays so for
//   request_timeout kConnection  DEADLINE_EXCEEDED (no answer within request_timeout), UNAVAILABLE
//   (nobody listens there: ICMP),
//                INTERNAL (the server broke the protocol)
//   kLocal       INVALID_ARGUMENT (URI empty or over 4096 bytes, the URL), RESOURCE_EXHAUSTED
//   (bytes_max), ABORTED (the
//                object was replaced each time)
// After any of them the client can be used.
class UdpClient {
 public:
  // Asks nobody. INVALID_ARGUMENT (the URL, the host); else as ErrnoToStatus.
  static absl::StatusOr<UdpClient> Open(absl::string_view url,
                                        const UdpOptions& options = UdpOptions());

  // The object's bytes, or a part of them: all of one version.
  absl::StatusOr<UdpObject> Get(absl::string_view uri,
                                const std::optional<Range>& range = std::nullopt);

  // Asks about the object alone. offset is 0 and length is size.
  absl::StatusOr<ObjectInfo> Stat(absl::string_view uri);

 private:
  // One request on its way.
  struct Flight {
    std::string datagram;
    Range range;                 // asked for; in ranges alone
    absl::Time first_sent, due;  // due: when it is sent again
    absl::Duration wait;
    absl::Status refused;  // UNAVAILABLE, where that was the last answer
  };
  // An answer to one of them, taken apart; `body` points into inbox_.
  struct Arrival {
    protocol::Status wire_status = protocol::Status::kOk;
    absl::Status status;  // OK, or as ServerError()
    ObjectInfo info;
    bool has_size = false;
    Range asked;  // in ranges alone
    absl::string_view body;
  };

  UdpClient(net::UniqueFd socket, const UdpOptions& options);

  absl::Status Send(protocol::Mode mode, absl::string_view uri, const std::optional<Range>& range);
  absl::Status SendAgain(Flight* flight);
  // Waits for the answer to one of flights_, which ends its flight; meanwhile sends again what is
  // due.
  absl::StatusOr<Arrival> Receive(protocol::Mode mode, absl::string_view uri);
  // nullopt: it is no answer to any of flights_, such as one that came twice.
  absl::StatusOr<std::optional<Arrival>> Read(absl::string_view datagram, protocol::Mode mode,
                                              absl::string_view uri);
  absl::StatusOr<Arrival> AskOne(protocol::Mode mode, absl::string_view uri,
                                 const std::optional<Range>& range);
  // ABORTED: it changed; nothing is known of the rest.
  absl::StatusOr<UdpObject> GetRanges(absl::string_view uri, const Range& extent, uint64_t size,
                                      uint64_t piece);
  size_t WindowFor(uint64_t piece) const;

  UdpOptions options_;
  net::UniqueFd socket_;
  std::string inbox_;
  std::minstd_rand random_;
  uint32_t next_id_;
  std::map<uint32_t, Flight> flights_;
  uint64_t lost_ = 0;  // how often something was sent again
};

}  // namespace objmapper::client
