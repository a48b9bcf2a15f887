// One connection of the load generator: what it has asked, and how far it has read the answers.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "net/unique_fd.h"
#include "tools/bench/load/inbox.h"
#include "tools/bench/load/load.h"
#include "tools/bench/load/plan.h"
#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {

// An endpoint as a socket address.
struct Target {
  sockaddr_storage address = {};
  socklen_t address_bytes = 0;
  std::string url;  // for messages: "unix:/run/x.sock", "127.0.0.1:80"
};

// INVALID_ARGUMENT: the path does not fit in an address.
absl::StatusOr<Target> TargetOf(const Endpoint& endpoint);

// Connects to it without waiting: makes a non-blocking socket and connects it (TCP_NODELAY). 0:
// connected. EINPROGRESS: TCP, it becomes writable when it is decided. Else the errno, and *socket
// is empty; EAGAIN: the backlog of a Unix listener is full, try again (unix(7) sockets never are in
// progress).
int StartConnect(const Target& target, net::UniqueFd* socket);

// What the connections of one thread share, and what they report. Times are net::NowNs().
struct Workbench {
  const Target& target;
  const WireDriver& driver;
  const Plan& plan;
  const LoadOptions& options;
  bool descriptors = false;  // some answers bring descriptors

  net::UniqueFd epoll;
  Inbox inbox;
  std::string outbox;  // requests of one send; its capacity is kept
  int64_t now_ns = 0;  // when the last bytes were received
  bool asking = false;
  uint64_t to_ask = UINT64_MAX;      // requests that may still be asked in this run
  int64_t start_ns = 0, end_ns = 0;  // the window
  double interval_ns = 0;            // open loop: between requests of all connections; 0: closed
  int outstanding = 0;               // sent and unanswered, on all connections
  LoadResult result;

  // Counts an error and keeps the first one's words.
  void Fail(absl::string_view what);
};

// The thread that owns its Workbench owns it. Registered in the Workbench's epoll with `this` as
// its tag.
class Connection {
 public:
  enum class Next : uint8_t {
    kGoesOn,
    kReconnect,  // in good order: call StartConnect(); what is unanswered will be asked again
    kBroken,     // reported by Fail(); what was unanswered is lost. Call StartConnect(), later
  };

  Connection(Workbench* bench, int index);

  // Connects anew. 0, or an errno (EAGAIN: later).
  int StartConnect();
  // Before a run: counts from zero.
  void Rewind();

  // After epoll said `events`.
  Next OnEvents(uint32_t events);
  // Sends what may be sent now.
  Next Pump();
  // Open loop: one more request is due.
  void AddDue() { ++due_; }

  bool connecting() const { return state_ == State::kConnecting; }
  bool open() const { return state_ == State::kOpen; }
  uint64_t answered() const { return answered_; }  // in this run

 private:
  enum class State : uint8_t { kClosed, kConnecting, kOpening, kOpen };
  struct Asked {
    int64_t due_ns = 0;
    uint32_t item = 0;
    uint32_t id = 0;
  };

  Next FinishConnect();
  Next Opened();
  Next Receive();
  Next Read(absl::string_view input);
  Next Take(const Head& head);  // acts on a head; kNeedMore never comes here
  Next Complete();              // the oldest request has all of its answer
  Next AtEnd();                 // the server has closed
  Next Break(absl::string_view why);
  void Disconnect();
  Next Flush();
  void AskMore();
  bool GiveFd(Asked* asked);
  void ForgetUnsent();
  void Watch(uint32_t events);

  Asked& At(int position) { return asked_[(head_ + position) % asked_.size()]; }

  Workbench& bench_;
  const int index_;
  Turn turn_;
  State state_ = State::kClosed;
  net::UniqueFd socket_;
  uint32_t watched_ = 0;  // the events registered

  // Unanswered requests, oldest first: a ring of options.depth. Those from sent_ on are not sent
  // (again).
  std::vector<Asked> asked_;
  int head_ = 0, count_ = 0, sent_ = 0;
  uint32_t next_id_ = 2;
  std::string unsent_;      // bytes that the socket did not take,
  size_t unsent_from_ = 0;  // from here on

  int stage_ = 0;      // of the opening
  std::string carry_;  // a head that has not arrived whole
  uint64_t skip_ = 0;  // bytes of the current answer still to come
  uint64_t body_bytes_ = 0;
  bool ok_ = true;
  bool last_ = false;  // the server will close
  int fds_ = 0;        // arrived, and not yet claimed by an answer

  uint64_t sent_here_ = 0, answered_here_ = 0;  // on this socket
  uint64_t answered_ = 0, due_ = 0, scheduled_ = 0;
  int64_t wanted_ns_ = 0;  // since when it has wanted to ask, but was not open; 0: it was
};

}  // namespace objmapper::bench
