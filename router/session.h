// One client connection as it moves between the router and the lanes.
//
// Whoever holds the std::unique_ptr<Session> is the one thread that may touch it; handing the
// connection over is moving the pointer, so a session carries no lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "net/unique_fd.h"
#include "protocol/request_parser.h"

namespace objmapper::router {

enum class Transport : uint8_t { kUnix, kTcp };

// What an operator allows one connection; the same for all, fixed at start.
struct SessionLimits {
  absl::Duration idle_timeout = absl::Minutes(5);      // nothing asked, nothing owed; 0: never
  absl::Duration request_timeout = absl::Seconds(30);  // half a request, or answers not read; 0: never
  uint64_t requests_max = 0;                           // per connection; 0: unlimited
  uint16_t max_pipeline = 64;
  uint8_t parallelism = 1;                             // told to clients in HELLO_ACK
};

// How many connections are open, and what became of the others. Written once per connection.
struct ConnectionCounters {
  std::atomic<uint64_t> open{0};
  std::atomic<uint64_t> accepted{0};
  std::atomic<uint64_t> refused{0};    // over --max_connections, or out of descriptors
  std::atomic<uint64_t> timed_out{0};
  std::atomic<uint64_t> migrated{0};   // moved to another lane after their first request
};

// A connection's place among --max_connections; gives it back when it dies. Movable.
class ConnectionSlot {
 public:
  ConnectionSlot() = default;
  explicit ConnectionSlot(ConnectionCounters* counters) : counters_(counters) {
    counters_->open.fetch_add(1, std::memory_order_relaxed);
  }
  ConnectionSlot(ConnectionSlot&& other) noexcept : counters_(other.counters_) {
    other.counters_ = nullptr;
  }
  ConnectionSlot& operator=(ConnectionSlot&&) = delete;
  ~ConnectionSlot() {
    // release: who sees the count fall also sees the descriptor closed (drain waits for 0).
    if (counters_ != nullptr) counters_->open.fetch_sub(1, std::memory_order_release);
  }

 private:
  ConnectionCounters* counters_ = nullptr;
};

struct Session {
  Session(ConnectionSlot slot_in, net::UniqueFd socket_in, Transport transport_in,
          const SessionLimits* limits_in)
      : slot(std::move(slot_in)),
        socket(std::move(socket_in)),
        transport(transport_in),
        limits(limits_in),
        parser({.capabilities = CapabilitiesOn(transport_in),
                .max_pipeline = limits_in->max_pipeline}) {}

  // What can be offered on `transport`: descriptors need a Unix socket.
  static uint16_t CapabilitiesOn(Transport transport);

  // "unix peer (pid 12, uid 1000)" or "tcp peer 127.0.0.1:4711", for messages; asks the kernel.
  std::string PeerName() const;

  protocol::Dialect dialect() const { return parser.dialect(); }
  bool v2() const { return parser.dialect() == protocol::Dialect::kV2; }
  int fd() const { return socket.get(); }
  // True when the connection has had all the answers it may have (--requests_per_conn).
  bool exhausted() const {
    return limits->requests_max != 0 && answered >= limits->requests_max;
  }
  // How many more requests may be answered.
  uint64_t allowance() const {
    return limits->requests_max == 0 ? std::numeric_limits<uint64_t>::max()
                                     : limits->requests_max - answered;
  }

  ConnectionSlot slot;  // first, so that it outlives the socket: a free slot means a closed socket
  net::UniqueFd socket;  // blocking mode; every call that must not block says so (MSG_DONTWAIT)
  Transport transport;
  const SessionLimits* limits;  // outlives all sessions
  protocol::RequestParser parser;
  std::string unread;  // read from the socket, not yet parsed
  // Where in `unread` the last byte of a read stood that brought descriptors: the request that
  // holds it is refused.
  std::optional<size_t> fds_at;
  uint64_t answered = 0;
  bool peer_done = false;  // the peer has shut its side down: no more requests, answers still go
};

}  // namespace objmapper::router
