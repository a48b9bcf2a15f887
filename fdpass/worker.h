// One worker of the fdpass lane: a thread, an epoll set, and the connections it owns.
//
// A ready connection is served synchronously, start to finish on this thread: receive, look up,
// open, send. It blocks on nothing else: a socket that is full waits for EPOLLOUT while the others
// are served, and a budget keeps a busy client from holding the worker. Owning many connections is
// what saves the hand-off per request, which would cost more than the request.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "fdpass/peer.h"
#include "fdpass/shared_fds.h"
#include "net/counter.h"
#include "net/deadline_list.h"
#include "net/epoll.h"
#include "net/mailbox.h"
#include "net/mutex.h"
#include "net/pulse.h"
#include "session/intake.h"
#include "session/lane.h"
#include "session/message.h"
#include "session/tally.h"
#include "storage/tree/directory_cache.h"
#include "storage/tree/small_objects.h"
#include "storage/tree/stat_cache.h"
#include "storage/tree/tree.h"

namespace objmapper::fdpass {

// What a worker counts; written by its thread alone, read by any.
struct alignas(64) WorkerCounters {
  net::Counter requests;
  net::Counter errors;    // answers other than OK
  net::Counter messages;  // sendmsg calls that went through
  net::Counter blocked;   // sends that found the socket or the kernel full
};

class Worker {
 public:
  struct Options {
    const session::SessionLimits* limits = nullptr;
    const storage::Tree* tree = nullptr;
    storage::StatCache* index = nullptr;  // for STAT
    session::ConnectionCounters* connections = nullptr;
    session::TallyBoard* board = nullptr;         // null: its answers are counted for nobody
    session::Switchboard* switchboard = nullptr;  // all outlive the worker
    absl::Duration busy_poll;                     // how long to look for work before sleeping
    size_t shared_fds = 0;                        // 0: each answer gets a descriptor of its own
    size_t directories = 256;                     // that may be kept resolved
    size_t small_objects = 0;       // kept to answer OP_COPY in place; 0: never in place
    uint64_t splice_bytes_min = 0;  // OP_SPLICE of smaller ones may be answered as OP_COPY
    absl::Duration cache_valid;     // how long all of these are believed
    // Runs something that takes long on another thread (storage/tree/slow_opens.h); null: the
    // worker opens everything itself.
    std::function<void(std::function<void()>)> run_slowly;
  };

  explicit Worker(const Options& options);
  ~Worker();

  void Start(int number);                                 // the thread is named "fdpass/<number>"
  void Adopt(std::unique_ptr<session::Session> session);  // any thread
  void Drain();                                           // any thread
  void Stop();                                            // once; joins the thread

  const WorkerCounters& counters() const { return counters_; }
  // Since when (net::NowNs()) it has been serving without a pause; 0: it waits for work. Any
  // thread.
  int64_t busy_since_ns() const { return busy_since_ns_.load(std::memory_order_relaxed); }
  // Interrupts a system call that blocks the worker, by a signal; any thread. See
  // FdPassLane::Watch().
  void Interrupt();
  // How many connections it has; any thread.
  size_t queue_depth() const { return mailbox_.size(); }
  // Any thread: as Lane's.
  void AskPulse() {
    pulse_.Ask();
    mailbox_.Wake();
  }
  bool HasPulse() const { return pulse_.answered(); }
  size_t load() const { return load_.load(std::memory_order_relaxed); }

 private:
  enum class Phase : int { kServing, kDraining, kStopping };
  using Deadlines = net::DeadlineList<Peer, &Peer::deadline>;
  using Retries = net::DeadlineList<Peer, &Peer::retry>;

  void Run();
  absl::Span<epoll_event> WaitForEvents();
  void Welcome(std::unique_ptr<session::Session> session);
  // Each of these may end the peer's life here; they return false when it has.
  bool Turn(Peer* peer);
  bool PayDebts(Peer* peer);
  bool ReadAndServe(Peer* peer);
  bool Settle(Peer* peer, session::Burst::End end);
  bool Finish(Peer* peer);

  // Answers requests[0..n) in order and returns how many were answered; fewer than n when the peer
  // is blocked or has had all its answers. -1: the peer has gone.
  ssize_t Serve(Peer* peer, absl::Span<const protocol::Request> requests);
  void AnswerStat(const session::Session& session, const protocol::Request& request);
  // Whether a request of the copypath's is answered here rather than by moving the connection: it
  // is for a small object that is in the kernel's caches, so that answering cannot block.
  bool AnswersInPlace(const protocol::Request& request);
  void AnswerWithBytes(const session::Session& session, const protocol::Request& request);
  void AnswerError(const session::Session& session, const protocol::Request& request,
                   protocol::Status status, absl::string_view message);
  // What an answer passes: a descriptor of its own, or one that is shared.
  struct Passed {
    net::UniqueFd fd;
    std::shared_ptr<const storage::OpenedObject> shared;
    uint64_t object_size = 0;
    bool apart = false;  // opened elsewhere: closing it may take as long
  };
  // UNAVAILABLE: it is to be opened elsewhere.
  absl::StatusOr<Passed> OpenToPass(Peer* peer, absl::string_view uri);
  // Has the object opened by somebody who may wait; the peer is blocked until then, and touched by
  // nothing.
  void OpenApart(Peer* peer, absl::string_view uri);
  void TakeOpened();
  // Sends message_: all of it, a part (the rest is in peer->out), or nothing (the peer is blocked).
  enum class Sent : uint8_t { kAll, kPart, kNothing, kGone };
  Sent SendMessage(Peer* peer);
  Sent SendMessageThenX(Peer* peer, net::UniqueFd fd);
  Sent SendX(Peer* peer, net::UniqueFd fd);
  void Block(Peer* peer, Peer::Blocked how);
  bool Unblock(Peer* peer);  // false: it has gone

  void UpdateDeadline(Peer* peer, bool progress);
  void Expire();
  bool HasMoreToSay(Peer* peer, Deadlines* deadlines);
  std::unique_ptr<session::Session> Release(Peer* peer);
  void EndPeer(Peer* peer);  // closes at once
  int64_t NextDeadlineNs() const;

  const Options options_;
  net::Epoll epoll_;
  net::Mailbox<std::unique_ptr<session::Session>> mailbox_;
  net::Pulse pulse_;
  absl::flat_hash_set<Peer*> peers_;  // owned
  std::vector<Peer*> again_;          // may have complete requests in session->unread
  Deadlines idle_;
  Deadlines busy_;
  Retries retries_;
  int64_t now_ns_ = 0;         // when the last events came
  int64_t looked_ns_ = 0;      // and when it was begun to look for them
  std::vector<char> scratch_;  // what one receive brings; shared by all peers
  session::Burst burst_;
  session::Message message_;
  storage::DirectoryCache directories_;
  storage::SmallObjects small_objects_;
  std::optional<SharedFds> shared_fds_;  // --fd_sharing=always
  // What has been opened elsewhere, for whom; whoever opens may outlive the worker.
  struct Apart {
    net::Mutex mutex;
    Worker* worker GUARDED_BY(mutex) = nullptr;
    std::vector<std::pair<uint64_t, absl::StatusOr<storage::OpenedObject>>> opened
        GUARDED_BY(mutex);
  };
  const std::shared_ptr<Apart> apart_ = std::make_shared<Apart>();
  absl::flat_hash_map<uint64_t, Peer*> opening_;  // by ticket
  uint64_t last_ticket_ = 0;
  WorkerCounters counters_;
  session::TallyLease tally_;
  std::atomic<size_t> load_{0};
  std::atomic<int64_t> busy_since_ns_{0};
  std::atomic<Phase> phase_{Phase::kServing};
  Phase seen_phase_ = Phase::kServing;
  std::thread thread_;
};

}  // namespace objmapper::fdpass
