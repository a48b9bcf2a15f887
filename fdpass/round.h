// The rounds of a worker of the fdpass lane: the connections it owns, and what becomes of them.
//
//   while (...) {
//     if (round.Wait()) for (...) round.Welcome(std::move(session));
//     round.Settle();
//     round.Serve();
//   }
//
// A round is synchronous, start to finish on one thread: receive what all have sent, judge it, open
// all that is asked for, send all, close all. It waits for nobody: a peer that takes no more is
// blocked, its descriptors closed and its requests stored, and the others are served; a budget
// keeps a busy client from holding the round. Owning many connections is what saves the hand-off
// per request, which would cost more than the request.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
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
#include "storage/tree/small_objects.h"
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

class Round {
 public:
  // On the thread that it is for. kernel: outlives the round. wake: called by others, when Wait()
  // is to come back with mail. load: of how many it is, which others may read.
  Round(const Options& options, Kernel* kernel, std::function<void()> wake,
        WorkerCounters* counters, std::atomic<size_t>* load);
  ~Round();  // closes those that are still here

  // Until something is to be done. True: mail may have come.
  bool Wait();
  // What was sent before the wait has gone, or is owed again.
  void Settle();
  void Serve();
  // Between the two: gives at most `most` sessions that owe nothing to `take`. Returns how many.
  size_t GiveAway(size_t most, absl::FunctionRef<void(std::unique_ptr<session::Session>)> take);
  void Welcome(std::unique_ptr<session::Session> session);
  // From now on who owes nothing and is owed nothing is let go, with a word.
  void Drain();

  int64_t now_ns() const { return now_ns_; }

 private:
  using Deadlines = net::DeadlineList<Peer, &Peer::deadline>;
  using Retries = net::DeadlineList<Peer, &Peer::retry>;

  // A request of this round, and what its name means.
  struct Asked {
    protocol::Request request;
    Opening opening;
  };
  // What one peer has asked in this round: asked_[begin, end).
  struct Turn {
    Peer* peer;
    size_t begin;
    size_t end;
    session::Burst::End how = session::Burst::End::kFull;  // it ended
    protocol::RequestParser::Result fatal;
    bool received = false;  // something
    bool dropped = false;   // some of a refused body
    bool stays = false;     // whatever becomes of the answers
  };

  // round.cc: the steps, each for one peer.
  void Take(Peer* peer);
  void TakeStored(Peer* peer);
  void Receive(Peer* peer);
  bool AnswersInPlace(Peer* peer, const protocol::Request& request);
  void Answer(Turn* turn);
  bool SendAnswers(const Turn& turn, size_t* served);
  void AnswerStat(const session::Session& session, const protocol::Request& request,
                  session::Message* message);
  void AnswerWithBytes(const session::Session& session, const protocol::Request& request,
                       session::Message* message);
  // kLater: as good as all of it; the message is the kernel's, and Unsent() is told if not.
  enum class Sent : uint8_t { kAll, kLater, kPart, kNothing, kGone };
  Outgoing* NewOutgoing(Peer* peer);
  Sent Send(Outgoing* out, bool may_wait);
  Sent Conclude(Outgoing* out);
  void Unsent(Outgoing* out);
  void Count(Outgoing* out, bool back);

  // life.cc: who is blocked, late, or leaves. False: the peer has gone.
  void Block(Peer* peer, Peer::Blocked how);
  void BlockFor(Peer* peer, int error);
  void OpenApart(Peer* peer);
  void TakeOpened();
  bool PayDebts(Peer* peer);
  bool Listen(Peer* peer);
  void Conclude(const Turn& turn);
  void Finish(Peer* peer);
  void Again(Peer* peer);
  void UpdateDeadline(Peer* peer, bool progress);
  void Expire();
  void EndLate(Peer* peer, bool half_said);
  bool HasMoreToSay(Peer* peer, Deadlines* deadlines);
  std::unique_ptr<session::Session> Release(Peer* peer);
  int64_t NextDeadlineNs() const;

  const Options options_;
  Kernel* const kernel_;
  WorkerCounters* const counters_;
  std::atomic<size_t>* const load_;
  Opener opener_;
  storage::SmallObjects small_objects_;
  session::TallyLease tally_;

  absl::flat_hash_set<Peer*> peers_;              // owned
  std::vector<std::unique_ptr<Peer>> gone_;       // in this round
  std::vector<Peer*> again_;                      // to have a turn in the next round, ready or not
  size_t left_out_ = 0;                           // the first of them: the last round was full
  absl::flat_hash_map<uint64_t, Peer*> opening_;  // by ticket
  Deadlines idle_;
  Deadlines busy_;
  Retries retries_;
  bool draining_ = false;
  int64_t now_ns_ = 0;     // when the last wait ended
  int64_t looked_ns_ = 0;  // and when it was begun to look for what has come

  // This round's, until the next wait is over: so long what is sent may have to be sent again.
  Kernel::Woken woken_;
  std::vector<Turn> turns_;
  std::vector<Asked> asked_;
  std::unique_ptr<char[]> input_;  // what was received; the URIs point into it, or
  size_t input_bytes_ = 0;
  std::vector<std::string> held_;                     // into what had been received before, or
  std::vector<std::vector<StoredRequest>> restored_;  // into what was stored
  session::Burst burst_;
  std::vector<std::unique_ptr<Outgoing>> outgoing_;  // the first outgoing_used_ are in use
  size_t outgoing_used_ = 0;
  std::vector<net::UniqueFd> passed_;
};

}  // namespace objmapper::fdpass
