// One client connection as it moves between the router and the lanes.
//
// Whoever holds the std::unique_ptr<Session> is the one thread that may touch it; handing the
// connection over is moving the pointer, so a session carries no lock.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "net/counter.h"
#include "net/expendable.h"
#include "net/foreign_fd.h"
#include "net/mutex.h"
#include "net/peer_credentials.h"
#include "net/unique_fd.h"
#include "protocol/mode.h"
#include "protocol/objm/request_parser.h"
#include "session/access.h"
#include "session/rate_limit.h"

namespace objmapper::session {

enum class Transport : uint8_t { kUnix, kTcp };

class AccessLog;
class ReadWatch;

// What an operator allows one connection; the same for all, fixed at start.
struct SessionLimits {
  absl::Duration idle_timeout = absl::Minutes(5);  // nothing asked, nothing owed; 0: never
  // half a request, or answers not read; 0: never
  absl::Duration request_timeout = absl::Seconds(30);
  uint64_t requests_max = 0;  // per connection; 0: unlimited
  uint16_t max_pipeline = 64;
  uint8_t parallelism = 1;         // told to clients in HELLO_ACK
  RateLimit rate;                  // of each connection's requests
  const Access* access = nullptr;  // who may ask for what; null: everybody for all
  ReadWatch* reads = nullptr;      // is told what is asked for; null: nobody is
  bool log_requests = false;
  int64_t slow_request_ns = 0;          // such requests are logged; 0: none
  bool http = true;                     // HTTP is spoken too
  std::vector<std::string> http_hosts;  // names of this server, beside addresses and localhost
  std::string http_cache_control;       // of objects' answers; empty: they have no such field
  std::vector<std::string> http_cors_origins;  // pages of these may read answers; "*": all may
  AccessLog* access_log = nullptr;             // of HTTP's answers; null: there is none
  bool http_listing = true;                    // folders are listed to HTTP
  bool http_index = false;                     // a folder's index.html is what HTTP gets for it
  bool writable = false;                       // OP_PUT, OP_PUT_FD and OP_DELETE are offered
  // bytes a second that a body has to come with, for longer than request_timeout; 0: any
  uint64_t put_rate_min = 0;
};

// Descriptors that one read brought.
struct Arrival {
  // Where in Session::unread the bytes of the read stand. The message that carried them begins at
  // one of these, and the read ended with it or within it (unix(7): a read stops after a message
  // with descriptors).
  size_t begin = 0;
  size_t last = 0;
  std::vector<net::ForeignFd> fds;  // one at most: one that came alone, and may be here
  bool lost = false;                // there were some for which there was no room
  bool several = false;             // there were more than one
  int verdict = 0;                  // of one that may not be here: net::WhyUnfit()
  bool claimed = false;             // a request has been found that they came with
};

struct Session;
struct Http;

// The open connections, for those who want to look at them (/connz). Thread-safe; entered and left
// once per connection.
class ConnectionList {
 public:
  // Calls `look` for each, with the list held: none comes or goes meanwhile. Of a session only what
  // says that any thread may read it is to be looked at.
  void ForEach(absl::FunctionRef<void(const Session&)> look) const;
  // How many are this user's, of Unix sockets.
  uint64_t CountOf(uid_t uid) const;

 private:
  friend struct Session;
  void Enter(Session* session);
  void Leave(Session* session);

  mutable net::Mutex mutex_;
  Session* first_ GUARDED_BY(mutex_) = nullptr;
  absl::flat_hash_map<uid_t, uint64_t> by_uid_ GUARDED_BY(mutex_);  // none is 0
};

// How many connections are open, and what became of the others. Written once per connection.
struct ConnectionCounters {
  // Connections by how many answers they had had when they ended: none, 1, 2..10, 11..100, ...
  static constexpr size_t kByAnswers = 8;

  std::atomic<uint64_t> open{0};
  std::atomic<uint64_t> accepted{0};
  std::atomic<uint64_t> refused{0};  // over a limit, not admitted, or out of descriptors
  std::atomic<uint64_t> timed_out{0};
  std::atomic<uint64_t> migrated{0};  // moved to another lane after their first request
  std::array<std::atomic<uint64_t>, kByAnswers> ended_by_answers{};
  std::atomic<uint64_t> ended_answers{0};  // the sum over those that have ended
  ConnectionList list;
};

// A connection's place among --max_connections; gives it back when it dies. Movable.
class ConnectionSlot {
 public:
  ConnectionSlot() = default;
  explicit ConnectionSlot(ConnectionCounters* counters) : counters_(counters) {
    counters_->open.fetch_add(1, std::memory_order_relaxed);
  }
  ConnectionSlot(ConnectionSlot&& other) noexcept
      : counters_(std::exchange(other.counters_, nullptr)) {}
  ConnectionSlot& operator=(ConnectionSlot&&) = delete;
  // Null when it is no place: the connection was over the limit.
  ConnectionCounters* counters() const { return counters_; }
  ~ConnectionSlot() {
    // release: who sees the count fall also sees the descriptor closed (drain waits for 0).
    if (counters_ != nullptr) counters_->open.fetch_sub(1, std::memory_order_release);
  }

 private:
  ConnectionCounters* counters_ = nullptr;
};

struct Session {
  // Who is at the other end; TCP peers are not known.
  using Peer = net::PeerCredentials;

  Session(ConnectionSlot slot_in, net::UniqueFd socket_in, Transport transport_in,
          const SessionLimits* limits_in);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // What can be offered on `transport`: descriptors need a Unix socket, and AUTH needs tokens.
  // access: as SessionLimits::access.
  static uint16_t CapabilitiesOn(Transport transport, const Access* access);

  // "unix peer (pid 12, uid 1000)" or "tcp peer 127.0.0.1:4711", for messages; asks the kernel.
  std::string PeerName() const;
  // The host alone: "192.0.2.7", or "unix:". Asks the kernel.
  std::string PeerHost() const;
  // The same for all connections of whom bounds regard as one: "uid 1000", "tcp 192.0.2.7"; of IPv6
  // the network of 64 bits, "tcp 2001:db8:1:2::/64", since who has one address there has them all.
  // Asks the kernel.
  std::string PeerKey() const;

  protocol::Dialect dialect() const {
    return http != nullptr ? protocol::Dialect::kHttp : parser.dialect();
  }
  bool v2() const { return dialect() == protocol::Dialect::kV2; }
  int fd() const { return socket.get(); }
  // True when the connection has had all the answers it may have (--requests_per_conn).
  bool exhausted() const { return limits->requests_max != 0 && answered >= limits->requests_max; }
  // Whether descriptors may come with its requests: OP_PUT_FD is offered.
  bool takes_fds() const {
    return limits->writable && transport == Transport::kUnix && parser.Has(protocol::kObjectOps);
  }
  // To be called when HELLO has been taken, before it is answered: lets descriptors be sent to a
  // connection that takes_fds(), and to no other, where the kernel heeds that (net/pass_rights.h).
  void AllowFds();
  // Notes what rode on bytes [begin, last] of `unread`. More than an honest client can have under
  // way are let go of, and refused as those that found no room.
  void NoteArrival(Arrival arrival);
  // The same of what another process has read for this one.
  void NoteArrival(size_t begin, net::ReceivedElsewhere* received);
  // Gives the socket up to another process that has it too.
  void LeaveSocket() {
    if (may_bring_fds) net::Dispose(std::move(socket));
    socket.Reset();
  }
  // How many more requests may be answered.
  uint64_t allowance() const {
    return limits->requests_max == 0 ? std::numeric_limits<uint64_t>::max()
                                     : limits->requests_max - answered;
  }

  ConnectionSlot slot;   // first, so that it outlives the socket: a free slot means a closed socket
  net::UniqueFd socket;  // blocking mode; every call that must not block says so (MSG_DONTWAIT)
  Transport transport;
  // Descriptors may be in its socket, or come to it: it is read by net::RecvBeforeFds(), and closed
  // by another process when something in it is unread. False: the kernel refuses them to whoever
  // sends them.
  bool may_bring_fds = false;
  // what comes next from the socket has some: for a lane that can fetch them
  bool fds_wait = false;
  const SessionLimits* limits;     // outlives all sessions
  protocol::RequestParser parser;  // V1's and V2's
  std::unique_ptr<Http> http;      // HTTP's (session/http.h); null: another dialect
  std::string unread;              // read from the socket, not yet parsed
  // Where in `unread` the last byte of a read stood that brought descriptors: the request that
  // holds it is refused.
  std::optional<size_t> fds_at;
  // Descriptors that reads brought, on a connection that takes_fds(), oldest first: kept until
  // their request is taken.
  std::vector<Arrival> arrivals;
  int64_t handed_ns = 0;               // net::NowNs(), when it was put into its lane's queue
  int64_t rate_full_ns = 0;            // limits->rate's bucket
  std::unique_ptr<Standing> standing;  // by limits->access; null until it is asked
  std::unique_ptr<Bearer> bearer;      // whose token AUTH said last; null: nobody's was
  bool bulk =
      false;  // TCP: its bodies are large; the copypath lane keeps such connections by themselves
  bool peer_done = false;  // the peer has shut its side down: no more requests, answers still go

  // ---- Any thread may read these; the owner alone writes them ----

  const Peer peer;
  const int64_t opened_ns;
  std::atomic<int64_t> received_ns;               // when something last came
  std::atomic<const char*> lane{"router"};        // who has it: static names
  std::atomic<protocol::Dialect> last_dialect{};  // likewise
  std::atomic<protocol::Mode> last_mode{};        // of the last answer; with `answered` 0: none yet
  net::Counter answered;
  net::Counter bytes;  // of objects, handed over

 private:
  friend class ConnectionList;
  Session* previous_ = nullptr;  // ConnectionList's
  Session* next_ = nullptr;
};

}  // namespace objmapper::session
