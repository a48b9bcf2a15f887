// A connection on a loop: requests in, time, and its end.
//
// What the engine tells of its socket comes here, and goes on to the parts: answers out
// (loop/answering.h), the operation that it is at (loop/operation.h).
//
// Invariant: it is deleted from OnDetached() alone, when neither the engine nor a thread of a pool
// has anything of it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "loop/answering.h"
#include "loop/engine.h"
#include "loop/operation.h"
#include "net/deadline_list.h"
#include "net/expendable.h"
#include "session/intake.h"
#include "session/session.h"

namespace objmapper::loop {

class Loop;

// The loop's thread's.
class Connection : public Channel {
 public:
  Connection(std::unique_ptr<session::Session> session, Loop* loop);

  // ---- For the loop ----

  // Begins: `session->unread` may hold requests already.
  void Start();
  // The loop drains: says goodbye as soon as nothing is owed.
  void Drain();
  // Closes at once, whatever is owed.
  void Abort();
  void OnDeadline(bool idle);
  net::DeadlineHook deadline;

  // Channel:
  void OnFdsWait(size_t bytes) override;
  void OnReceived(absl::string_view bytes, bool fds_refused) override;
  void OnReceiveEnd(int error) override;
  void OnSent(ssize_t result) override { answering_.OnSent(result); }
  void OnWritable() override { answering_.OnWritable(); }
  void OnDetached() override;

  // ---- For its parts ----

  // Whether it is not about to leave the loop.
  bool stays() const { return exit_ == Exit::kStay; }
  // Something has ended that was in flight elsewhere. False: the connection is over, and goes once
  // nothing else is.
  bool GoesOn();
  bool owes() const { return answering_.owes() || fetch_ != nullptr; }
  // What becomes of it, if nothing is owed.
  void Settle();
  // What is asked from now on is for others: once nothing is owed, the session is routed. False:
  // not so, since a peer that has said all it will needs nobody else, and an operation is finished
  // first, with the body that may still come.
  bool LeaveRestToOthers();
  // progress: the peer has done something that its time begins anew for.
  void UpdateDeadline(bool progress);
  // Takes requests that wait in `unread`. True: some were taken.
  bool ResumeIntake();
  // Receives again what something else has ended.
  void ReceiveAgain();
  // Stops to receive when much is unread, or `full` of a body; else goes on.
  void LimitReceiving(bool full);
  Operation* operation() { return operation_.get(); }
  // Each deletes the operation: it is answered, unless this is a piece of its answer after which it
  // goes on; or the connection ends instead, since the rest of its body does not come.
  void FinishOperation(copypath::Outcome outcome);
  void AbandonOperation(protocol::Status status, absl::string_view why);
  // Says something to the client before the operation's answer; nothing else is being sent.
  void Interject(absl::string_view words);

 private:
  // Why it is leaving the loop.
  enum class Exit : uint8_t { kStay, kRoute, kRetire, kDrop };

  void Intake(absl::string_view input);
  void ResumeReceiving();
  void OnFetched();
  bool AwaitsBody() const { return operation_ != nullptr && operation_->AwaitsBody(); }
  // Says `farewell`, then retires the session.
  void End(const std::string& farewell);
  void Leave(Exit exit);

  std::unique_ptr<session::Session> session_;
  Loop* const loop_;
  Answering answering_;
  std::unique_ptr<Operation> operation_;  // its answer is the last of answering_.queue()

  // Bytes that come with descriptors, while a thread has another process receive them.
  struct Fetch {
    absl::StatusOr<net::ReceivedElsewhere> received = absl::UnknownError("not yet");
  };
  std::unique_ptr<Fetch> fetch_;

  std::string farewell_;
  Exit exit_ = Exit::kStay;
  bool intake_paused_ = false;  // session->unread may hold complete requests
  bool receiving_paused_ = false;
  bool other_lane_ = false;  // the next request is another lane's, or another loop's
  bool ending_ = false;      // no more requests: farewell_, then retire
  bool farewell_said_ = false;
};

}  // namespace objmapper::loop
