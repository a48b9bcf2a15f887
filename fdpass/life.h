// The connections of a worker, whatever they have asked: who is here, who is blocked and by what,
// who is late, and who leaves. What they ask and get is the round's (fdpass/round.h).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "fdpass/kernel.h"
#include "fdpass/opener.h"
#include "fdpass/peer.h"
#include "net/counter.h"
#include "net/deadline_list.h"
#include "session/intake.h"
#include "session/lane.h"
#include "session/tally.h"
#include "storage/tree/stat_cache.h"
#include "storage/tree/tree.h"

namespace objmapper::fdpass {

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
  // Runs something that takes long on another thread (storage/tree/slow_opens.h); null: the worker
  // opens everything itself.
  std::function<void(std::function<void()>)> run_slowly;
  int in_use = 0;  // workers that connections are kept on; 0: as few as keep up (packing.h)
};

// What a worker counts; written by its thread alone, read by any.
struct alignas(64) WorkerCounters {
  net::Counter requests;
  net::Counter errors;    // answers other than OK
  net::Counter messages;  // that went out whole
  net::Counter blocked;   // sends that found the socket or the kernel full
};

// When the round's wait ended, and when it was begun to look for what has come.
struct Now {
  int64_t now_ns = 0;
  int64_t looked_ns = 0;
};

// The worker's thread's.
class Life {
 public:
  // All outlive it.
  Life(const Options* options, Kernel* kernel, Opener* opener, WorkerCounters* counters,
       std::atomic<size_t>* load, session::TallyLease* tally, const Now* now);
  ~Life();  // closes those that are still here

  // As Round's.
  void Welcome(std::unique_ptr<session::Session> session);
  size_t GiveAway(size_t most, absl::FunctionRef<void(std::unique_ptr<session::Session>)> take);
  void Drain();

  bool empty() const { return peers_.empty(); }
  bool draining() const { return draining_; }
  // Who is to have a turn in the next round, ready or not; and all of them.
  void Again(Peer* peer);
  size_t waiting() const { return again_.size(); }
  std::vector<Peer*> TakeAgain() {
    for (Peer* peer : again_) peer->again = false;
    return std::exchange(again_, {});
  }

  // Nothing is done for the peer until what blocks it is over.
  void Block(Peer* peer, Peer::Blocked how);
  // The same, for what a send has failed with.
  void BlockFor(Peer* peer, int error);
  // The oldest that the peer is owed is opened apart, and so are some of those behind it: what
  // takes long is waited for at the same time.
  void OpenApart(Peer* peer);
  // Gives what was opened apart to who waits for it.
  void TakeOpened();
  // Whether what blocked the peer is over, and more can be done for it. False: not yet, or it has
  // gone.
  bool Unblock(Peer* peer);
  // Sends what is owed of messages that have begun to go. False: not all of it could be, or the
  // peer has gone.
  bool PayDebts(Peer* peer);
  // Acts on how what was received ended. fatal: of kFatal.
  void Conclude(Peer* peer, session::Burst::End how, const protocol::RequestParser::Result& fatal);
  // Says the farewell, if the peer takes it now, and retires the session.
  void Finish(Peer* peer);
  std::unique_ptr<session::Session> Release(Peer* peer);

  void UpdateDeadline(Peer* peer, bool progress) {
    if (peer->blocked == Peer::Blocked::kOpening) return;  // its time begins again after that
    const bool owes_or_waits = peer->blocked != Peer::Blocked::kNo ||
                               !peer->session->unread.empty() || peer->session->parser.skipping();
    if (!owes_or_waits) {
      busy_.Stop(peer);
      idle_.Start(peer, now_->now_ns);
    } else if (progress || !busy_.Has(peer)) {
      idle_.Stop(peer);
      busy_.Start(peer, now_->now_ns);
    }
  }
  // Looks whose time is up; and lets go of those that have gone in this round.
  void Expire() {
    if (NextDeadlineNs() <= now_->now_ns) FindLate();
    gone_.clear();
  }
  int64_t NextDeadlineNs() const {
    return std::min({idle_.NextExpiryNs(), busy_.NextExpiryNs(), retries_.NextExpiryNs()});
  }

 private:
  using Deadlines = net::DeadlineList<Peer, &Peer::deadline>;
  using Retries = net::DeadlineList<Peer, &Peer::retry>;

  // Waits for the peer's requests again, if it did not. False: it has gone.
  bool Listen(Peer* peer);
  void FindLate();
  void EndLate(Peer* peer, bool half_said);
  bool HasMoreToSay(Peer* peer, Deadlines* deadlines);

  const Options& options_;
  Kernel* const kernel_;
  Opener* const opener_;
  WorkerCounters* const counters_;
  std::atomic<size_t>* const load_;
  session::TallyLease& tally_;
  const Now* const now_;

  absl::flat_hash_set<Peer*> peers_;         // owned
  std::vector<std::unique_ptr<Peer>> gone_;  // in this round
  std::vector<Peer*> again_;
  absl::flat_hash_map<uint64_t, Peer*> opening_;  // by ticket
  Deadlines idle_;
  Deadlines busy_;
  Retries retries_;
  bool draining_ = false;
};

}  // namespace objmapper::fdpass
