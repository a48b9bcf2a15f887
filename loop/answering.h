// Answers out, on one connection of a loop: which goes next, from where, and on what.
//
// Driven by the connection (requests, the socket), by objects that have come, and by splice threads
// that are done; whatever ends comes to Advance(), which decides what to do next. At most one thing
// has the socket at a time (loop/outlet.h).
//
// Invariant: each request gets its answer once, in an order that its client allows.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "copypath/body_sender.h"
#include "copypath/gather.h"
#include "copypath/operations.h"
#include "loop/answer.h"
#include "loop/outlet.h"
#include "loop/passer.h"
#include "session/session.h"
#include "session/tally.h"
#include "storage/store/store.h"

namespace objmapper::loop {

class Connection;
class Loop;

// The loop's thread's.
class Answering : public copypath::ObjectWaiter {
 public:
  // All outlive it; of `session` its destructor makes no use.
  Answering(Connection* connection, session::Session* session, Loop* loop);
  ~Answering();

  // ---- Requests in ----

  // Queues the answer to `request`, whose URI is good for this call.
  void Enqueue(const protocol::Request& request);
  // Whether a request of the other lane's is answered here.
  bool AnswersInPlace(const protocol::Request& request);
  // How many requests are not answered yet. What is in the kernel's or a splice thread's hands is
  // not counted: the client may have it already, and ask again before this is known.
  size_t outstanding() const;
  // The same, with those: how many answers will have been given in the end.
  size_t taken() const;

  // ---- Answers out ----

  // Goes on, if nothing has the socket.
  void Advance();
  // Sends what is no answer, the last words for one; not while anything is being sent.
  void Say(absl::string_view farewell);
  // What the operation has come to, whose answer is the only one in the queue.
  void SetOutcome(copypath::Outcome outcome);
  bool owes() const { return !queue_.empty() || body_.busy() || !outlet_.free(); }

  void OnSent(ssize_t result);
  void OnWritable();
  void OnObjectChanged(copypath::CachedObject* object) override;

  // ---- For what else answers on this connection ----

  AnswerQueue& queue() { return queue_; }
  Outlet& outlet() { return outlet_; }
  copypath::BodySender& body() { return body_; }
  // The answer that goes next: the oldest, or where the client takes answers out of order the first
  // with PRIORITY that is ready, or the first that is ready. An ORDERED one waits for all before
  // it.
  std::optional<size_t> NextAnswer();
  // An answer has gone.
  void Account(const session::Receipt& receipt, int64_t now_ns);

 private:
  void Compose();
  bool ComposeAnswer(size_t index);
  bool ComposeObject(Answer answer);
  bool ComposeBody();
  bool IsReady(const Answer& answer);
  bool NeedsThread(const Answer& answer) const;
  bool SendGatheredNow();
  void CountGathered(int64_t now_ns);
  void RunTransfer();
  void OnTransferEnded(copypath::Transfer::Outcome outcome);

  Connection* const connection_;
  session::Session* const session_;
  Loop* const loop_;

  AnswerQueue queue_;
  Outlet outlet_;
  copypath::BodySender body_;
  Passer passer_;
  // The send in flight or being composed; exists while there is one.
  std::unique_ptr<copypath::Gather> out_;
  storage::ListRoom::Lease list_room_;  // of the listing that is being sent
  uint16_t strangers_ = 0;     // requests of the other lane answered here since the last of our own
  uint16_t small_bodies_ = 0;  // on a loop for large ones, since the last of those
};

}  // namespace objmapper::loop
