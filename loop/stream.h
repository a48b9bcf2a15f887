// A connection in the copypath lane: requests in, bytes out, in an order the client allows.
//
// A state machine driven by the engine (received, sent, writable, written), by the cache (an object
// or a window of it has come) and by the splice threads (a transfer or a job of an operation has
// ended). At most one send or transfer is in flight; whatever ends calls Advance(), which decides
// what to do next.
//
// Every body is sent so that a file which changes under it cannot make up bytes: small objects from
// a copy, larger ones from a mapping but for the last piece, which is read and checked after the
// rest has left (see CachedObject::ReadChecked), the largest are moved inside the kernel, checked
// before each part. Sending part of a body and then closing is how the client learns that there is
// no more.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "copypath/gather.h"
#include "copypath/pipe.h"
#include "copypath/transfer.h"
#include "loop/answer.h"
#include "loop/engine.h"
#include "loop/operation.h"
#include "loop/passing.h"
#include "net/deadline_list.h"
#include "net/expendable.h"
#include "net/send_queue.h"
#include "session/answers.h"
#include "session/intake.h"
#include "session/session.h"
#include "session/tally.h"

namespace objmapper::loop {

class Loop;

class Stream : public Channel {
 public:
  Stream(std::unique_ptr<session::Session> session, Loop* loop);
  ~Stream() override;

  // Begins: `session->unread` may hold requests already.
  void Start();
  // The loop drains: says goodbye as soon as nothing is owed.
  void Drain();
  // Closes at once, whatever is owed.
  void Abort();
  // An object this stream waits for is loaded, or a window of it has come, or both failed.
  void OnObjectChanged(copypath::CachedObject* object);
  void OnTransferEnded(copypath::Transfer::Outcome outcome);
  // Of the operation: a job on the pool has ended; a write of its body has.
  void OnOperationJobEnded();
  // What was to be received elsewhere has been, or cannot be.
  void OnFetched();
  void OnBodyWritten(ssize_t result);
  void OnDeadline(bool idle);
  // The files that were to be opened are open, or cannot be had so.
  void OnFilesOpened();
  // What the kernel had no room for a moment ago may go now.
  void OnRetry() { SendMessage(); }

  // Channel:
  void OnFdsWait(size_t bytes) override;
  void OnReceived(absl::string_view bytes, bool fds_refused) override;
  void OnReceiveEnd(int error) override;
  void OnSent(ssize_t result) override;
  void OnWritable() override;
  void OnDetached() override;

  session::Session* session() { return session_.get(); }
  net::DeadlineHook deadline;

 private:
  // Why the stream is leaving the loop.
  enum class Exit : uint8_t { kStay, kRoute, kRetire, kDrop };

  // The mapped body that is being sent.
  struct Body {
    copypath::ObjectRef object;
    uint64_t at = 0;   // the next byte
    uint64_t end = 0;  // one past the last byte of the answer
    bool in_kernel = false;
    bool begun = false;  // in the kernel: some has been sent, or was to be
    std::unique_ptr<copypath::Pipe>
        pipe;  // with what is on its way to a full socket: the bytes from `at` on
    session::Receipt receipt;
  };

  // After so many requests of the other lane without one of this lane's the connection moves, if it
  // may: whoever mixes modes stays, whoever has changed its mode goes where that is served best.
  static constexpr uint16_t kStrangersMax = 64;
  // And so many small bodies after a connection's last large one it goes back to the loops of small
  // ones.
  static constexpr uint16_t kSmallBodiesMax = 64;

  // How many requests a client without PIPELINING may have waiting here; it may send more, which
  // stay in session_->unread and then in its socket.
  static constexpr size_t kEarlyMax = 64;

  // Above this many unread bytes, nothing more is received.
  static constexpr size_t kUnreadMax = 16 * 1024;
  // What a ring has received before it could be stopped comes on top: all its buffers at most, a
  // megabyte. A connection of which more piles up is not kept.
  static constexpr size_t kUnreadEverMax = 4 << 20;
  // Nor above this many descriptors that wait for their requests to be taken.
  static constexpr size_t kArrivalsMax = 16;

  // stream.cc: requests in, time and life.
  void Intake(absl::string_view input);
  bool AnswersInPlace(const protocol::Request& request);
  void Enqueue(const protocol::Request& request);
  void EnqueueStat(const protocol::Request& request);
  void Prefetch(const Answer& answer);
  void WaitFor(copypath::CachedObject* object);

  // Whether something that ends may begin to receive again. Not while another process takes
  // descriptors off the socket: what is found there is what it is about to take.
  bool MayReceive() const {
    return !receiving_paused_ && !other_lane_ && !ending_ && fetch_ == nullptr;
  }
  void PauseReceiving();
  void ResumeReceiving();
  bool LeaveRestToOthers();
  void LeaveRestToSuccessor();
  // stream_store.cc: operations.
  void EnqueueOperation(const protocol::Request& request, net::ForeignFd fd);
  bool StartOperation();
  bool HasJob() const {
    return fetch_ != nullptr || (operation_ != nullptr && operation_->in_flight());
  }
  void TakeBody(absl::string_view input);
  void FailOperation(const absl::Status& error);
  void FinishOperation(copypath::Outcome outcome);
  void AbandonOperation(protocol::Status status, absl::string_view why);
  bool AwaitsBody() const;
  // stream_send.cc: answers out.
  void Advance();
  void Compose();
  bool ComposeAnswer(size_t index);
  bool ComposeObject(Answer answer);
  bool LookUpAgain(Answer answer);
  bool IsRead(protocol::Mode mode, const session::Extent& extent);
  bool IsComing(copypath::CachedObject* object, const session::Extent& extent) const;
  bool ComposePart(Answer answer, const session::Extent& extent);
  void BringIn(copypath::CachedObject* object, const session::Extent& extent);
  void Foresee(const Answer& answer);
  bool ComposeBody();
  // stream_move.cc: large bodies, moved inside the kernel.
  bool MoveBody();
  ssize_t MovePart(uint64_t bytes);
  ssize_t MoveThroughPipe(uint64_t bytes);
  void TakePipe();
  void GivePipeBack();
  void SetBlocking(bool blocking);
  bool GoesInKernel(protocol::Mode mode, uint64_t bytes);
  bool SendGatheredNow();
  void EndBody();
  std::optional<size_t> NextAnswer();
  bool IsReady(const Answer& answer);
  bool GoesToSpliceThread(const Answer& answer) const;
  // stream_pass.cc: descriptors out.
  void PassFds(size_t index);
  void OpenTogether(size_t index);
  bool AddFd(Answer* answer, net::UniqueFd fd);
  void OpenAheadApart();
  void StartMessage();
  bool SendMessageNow();
  void CountMessage();
  void SendMessage();
  void OnMessageSent(ssize_t result);
  // The whole of an answer that is an error. True, for ComposeAnswer() to return.
  bool SayError(const protocol::Request& request, protocol::Status status,
                absl::string_view message);
  void Send();
  void SendRest(absl::Span<iovec> rest);
  void CountGathered(int64_t now_ns);
  void Account(const session::Receipt& receipt, int64_t now_ns);
  void FindLoop(uint64_t body_bytes);

  void AwaitRoom();
  void RunTransfer();
  void OnNothingOwed();
  void End(std::string farewell);
  void Leave(Exit exit);
  void UpdateDeadline(bool progress);
  bool ResumeIntake();
  bool owes() const {
    return !queue_.empty() || body_.object || sending_ || transferring_ || awaiting_room_ ||
           fetch_ != nullptr;
  }

  std::unique_ptr<session::Session> session_;
  Loop* const loop_;

  AnswerQueue queue_;
  Body body_;

  std::unique_ptr<copypath::Gather>
      out_;  // the send in flight or being composed; exists while there is one
  std::unique_ptr<Passing> passing_;  // instead of out_, for descriptors
  std::unique_ptr<copypath::Transfer> transfer_;
  session::Receipt transfer_receipt_;
  copypath::ObjectRef transfer_object_;

  std::unique_ptr<Operation> operation_;  // its answer is the last of queue_
  storage::ListRoom::Lease list_room_;    // of the listing that is being sent
  // Bytes that come with descriptors, while a thread has another process receive them.
  struct Fetch {
    absl::StatusOr<net::ReceivedElsewhere> received = absl::UnknownError("not yet");
  };
  std::unique_ptr<Fetch> fetch_;

  std::string farewell_;
  Exit exit_ = Exit::kStay;
  // The socket's mode. Changed with the first body that is moved inside the kernel: sendfile(2) and
  // splice(2) have no flag for it. Whoever has the session next finds it blocking, as it came.
  bool blocking_ = true;
  bool widened_ = false;       // a Unix socket, for large bodies
  std::optional<bool> paced_;  // TCP: net::Paces(), once it was asked
  net::SendQueue unsent_;      // while sending_ or awaiting_room_
  bool sending_ = false;
  bool transferring_ = false;   // a splice thread has transfer_
  bool awaiting_room_ = false;  // transfer_ waits for its socket
  bool intake_paused_ = false;  // session->unread may hold complete requests
  bool receiving_paused_ = false;
  uint16_t strangers_ = 0;     // requests of the other lane answered here since the last of our own
  uint16_t small_bodies_ = 0;  // on a loop for large ones, since the last of those
  bool other_lane_ = false;    // the next request is another lane's, or another loop's
  bool ending_ = false;        // no more requests: farewell_, then retire
  bool farewell_said_ = false;
};

}  // namespace objmapper::loop
