// The rounds of a worker of the fdpass lane: the connections it owns, and what becomes of them.
//
//   while (...) {
//     if (round.Go(part)) for (...) round.Welcome(std::move(session));
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

#include "absl/functional/function_ref.h"
#include "fdpass/kernel.h"
#include "fdpass/life.h"
#include "fdpass/opener.h"
#include "fdpass/packing.h"
#include "fdpass/peer.h"
#include "session/intake.h"
#include "session/reply.h"
#include "session/tally.h"
#include "storage/tree/small_objects.h"
#include "storage/tree/tree.h"

namespace objmapper::fdpass {

class Round {
 public:
  // On the thread that it is for. kernel: outlives the round. wake: called by others, when Wait()
  // is to come back with mail. load: of how many it is, which others may read.
  Round(const Options& options, Kernel* kernel, std::function<void()> wake,
        WorkerCounters* counters, std::atomic<size_t>* load);

  // Goes round until the thread's owner is wanted: mail may have come (true), or `part` calls.
  bool Go(const Packing::Part& part);
  // The three steps of it. Wait(): until something is to be done. Settle(): what was sent before
  // the wait has gone, or is owed again.
  void Serve();
  void Wait();
  void Settle();

  // Gives at most `most` sessions that owe nothing to `take`. Returns how many.
  size_t GiveAway(size_t most, absl::FunctionRef<void(std::unique_ptr<session::Session>)> take) {
    return life_.GiveAway(most, take);
  }
  void Welcome(std::unique_ptr<session::Session> session) { life_.Welcome(std::move(session)); }
  // From now on who owes nothing and is owed nothing is let go, with a word.
  void Drain() { life_.Drain(); }

  int64_t now_ns() const { return now_.now_ns; }

 private:
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

  // The steps, each for one peer.
  void Take(Peer* peer);
  void TakeStored(Peer* peer);
  void Receive(Peer* peer);
  bool AnswersInPlace(Peer* peer, const protocol::Request& request);
  void Answer(Turn* turn);
  bool SendAnswers(const Turn& turn, size_t* served);
  // False: the object has to be opened apart first.
  bool AnswerStat(const session::Session& session, const protocol::Request& request,
                  Opening* opening, session::Message* message);
  void AnswerWithBytes(const session::Session& session, const protocol::Request& request,
                       session::Message* message);
  // kLater: as good as all of it; the message is the kernel's, and Unsent() is told if not.
  enum class Sent : uint8_t { kAll, kLater, kPart, kNothing, kGone };
  Outgoing* NewOutgoing(Peer* peer);
  Sent Send(Outgoing* out, bool may_wait);
  Sent Conclude(Outgoing* out);
  void Unsent(Outgoing* out);
  void Count(Outgoing* out, bool back);

  const Options options_;
  Kernel* const kernel_;
  WorkerCounters* const counters_;
  Opener opener_;
  storage::SmallObjects small_objects_;
  session::TallyLease tally_;

  Now now_;
  size_t left_out_ = 0;  // the first of those to have a turn again: the last round was full

  // This round's, until the next wait is over: so long what is sent may have to be sent again.
  Kernel::Woken woken_;
  std::vector<Turn> turns_;
  std::vector<Asked> asked_;
  std::unique_ptr<char[]> input_;  // what was received; the URIs point into it, or
  size_t input_bytes_ = 0;
  std::vector<std::string> held_;                     // into what had been received before, or
  std::vector<std::vector<StoredRequest>> restored_;  // into what was stored
  session::Burst burst_;
  session::Reply reply_;                             // the last that was made, for its memory
  std::vector<std::unique_ptr<Outgoing>> outgoing_;  // the first outgoing_used_ are in use
  size_t outgoing_used_ = 0;
  std::vector<net::UniqueFd> passed_;

  Life life_;  // last, so it ends first: the kernel may still have some of what is above
};

}  // namespace objmapper::fdpass
