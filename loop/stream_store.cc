// The storing half of Stream: operations, one at a time, and the bodies of OP_PUT.
#include <glog/logging.h>

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "copypath/operations.h"
#include "loop/loop.h"
#include "loop/stream.h"
#include "net/readable.h"

namespace objmapper::loop {

using protocol::Mode;
using protocol::Request;
using protocol::Status;

namespace {
// What an object has to be larger than for its commit (hash, fsync(2)) to be long work.
constexpr uint64_t kLargeBytes = 16 * 1024 * 1024;
}  // namespace

void Stream::EnqueueOperation(const Request& request, net::ForeignFd fd) {
  DCHECK(operation_ == nullptr);
  operation_ = std::make_unique<Operation>(this, loop_->options().pool);
  copypath::Operand& operand = operation_->operand;
  operand.store = loop_->options().store;
  operand.tree = loop_->options().tree;
  operand.dialect = session_->dialect();
  operand.uri.assign(request.uri.data(), request.uri.size());
  operand.access = session_->limits->access;
  operand.peer = session_->peer;
  operand.socket = session_->fd();
  operand.request = request;
  operand.request.uri = {};
  if (request.mode == Mode::kPut || request.mode == Mode::kPutFd)
    operand.peer_key = session_->PeerKey();
  operation_->fd = std::move(fd);
  operation_->set_body_left(request.body_length);
  Answer answer;
  answer.kind = Answer::Kind::kOperation;
  answer.request = operand.request;
  queue_.Push(std::move(answer));
}

// Begins the operation, if one waits and all that was asked before it has been answered: a
// descriptor that was asked for before an OP_PUT is the old object's. True: nothing can be sent
// until it is over, or until what is gathered has gone.
bool Stream::StartOperation() {
  if (operation_ == nullptr || queue_.size() > 1) return false;
  Operation* operation = operation_.get();
  if (operation->step != Operation::Step::kWaiting || !out_->empty()) return true;
  operation->job_in_flight = true;
  if (operation->operand.request.mode == Mode::kPut) {
    operation->step = Operation::Step::kBeginning;
    loop_->RunJob(
        this,
        [operation] {
          absl::StatusOr<std::unique_ptr<storage::NewObject>> object = BeginPut(operation->operand);
          operation->begun = object.status();
          if (object.ok()) operation->object = *std::move(object);
          return true;
        },
        copypath::BlockingPool::Length::kShort);
    return true;
  }
  operation->step = Operation::Step::kFinishing;
  if (operation->operand.request.mode == Mode::kPutFd) {
    // The client's file may keep whoever looks at it waiting for --request_timeout: not those who
    // wait for the disk.
    loop_->RunForeignJob(this, [operation] {
      operation->outcome = PutFd(operation->operand, std::move(operation->fd));
    });
    return true;
  }
  // A tree that is walked may be a large one.
  const bool walks =
      operation->operand.request.mode == Mode::kList && operation->operand.store->ListWalks();
  loop_->RunJob(
      this,
      [operation, session = session_.get()] {
        // Of the session only what is the same for its whole life.
        switch (operation->operand.request.mode) {
          case Mode::kDelete:
            operation->outcome = Delete(operation->operand);
            return true;
          default:
            operation->outcome =
                List(operation->operand, session->limits->access, session->peer, session->fd());
            return true;
        }
      },
      walks ? copypath::BlockingPool::Length::kLong : copypath::BlockingPool::Length::kShort);
  return true;
}

void Stream::OnOperationJobEnded() {
  Operation* operation = operation_.get();
  operation->job_in_flight = false;
  if (exit_ != Exit::kStay) {
    if (!HasJob()) loop_->engine().Detach(this);  // Abort() left it to us
    return;
  }
  if (operation->step == Operation::Step::kFinishing) {
    FinishOperation(std::move(operation->outcome));
    return;
  }
  if (!operation->begun.ok()) {
    FailOperation(operation->begun);
    return;
  }
  operation->step = Operation::Step::kBody;
  operation->pace = copypath::BodyPace(*session_->limits);
  UpdateDeadline(/*progress=*/true);
  TakeBody(session_->unread);
}

// Goes on with the body: takes what of `input`, which begins with session->unread, is its, and
// commits it when it is whole.
void Stream::TakeBody(absl::string_view input) {
  Operation* operation = operation_.get();
  const int64_t waited_ns =
      operation->awaits_since_ns == 0 ? 0 : loop_->now_ns() - operation->awaits_since_ns;
  // After all that an earlier round had brought. What this one brings may come in pieces, of which
  // each but the last has more behind it.
  const bool was_too_slow = operation->pace.too_slow() && waited_ns > 0;
  operation->pace.Waited(waited_ns);
  operation->awaits_since_ns = 0;
  const size_t taken = operation->TakeBody(input, &loop_->engine());
  operation->pace.Came(taken);
  const bool stray_fds = session::HasStrayFds(*session_, taken);
  session::KeepUnread(session_.get(), input, taken, operation->body_left());
  if (taken > 0) UpdateDeadline(/*progress=*/true);
  if (stray_fds && operation->begun.ok()) {
    operation->begun = absl::InvalidArgumentError("descriptors arrived with the body of an object");
  }
  if (operation->full() || session_->unread.size() > kUnreadMax) {
    PauseReceiving();
  } else {
    ResumeReceiving();
  }
  if (operation->in_flight()) return;
  if (!operation->begun.ok()) {
    FailOperation(operation->begun);
  } else if (operation->body_written()) {
    operation->step = Operation::Step::kFinishing;
    operation->job_in_flight = true;
    const bool large = operation->object->size() > kLargeBytes;
    loop_->RunJob(
        this,
        [operation] {
          std::optional<copypath::Outcome> outcome =
              StepCommitPut(operation->operand, operation->object.get());
          if (!outcome.has_value()) return false;
          operation->outcome = *std::move(outcome);
          operation->object.reset();  // closing it may take its time
          return true;
        },
        large ? copypath::BlockingPool::Length::kLong : copypath::BlockingPool::Length::kShort);
  } else if (session_->peer_done && AwaitsBody()) {
    AbandonOperation(Status::kProtocolError, "the connection ended in the middle of a request");
  } else if (AwaitsBody() && was_too_slow && operation->pace.too_slow() &&
             !net::IsReadable(socket())) {
    loop_->options().connections->timed_out.fetch_add(1, std::memory_order_relaxed);
    AbandonOperation(Status::kTimeout,
                     operation->pace.Why(operation->operand.uri, operation->body_left()));
  } else if (AwaitsBody()) {
    operation->awaits_since_ns = loop_->now_ns();
  }
}

void Stream::OnBodyWritten(ssize_t result) {
  Operation* operation = operation_.get();
  const bool stays = exit_ == Exit::kStay;
  const int error = operation->WriteEnded(result, &loop_->engine());
  if (!stays) {
    if (!HasJob()) loop_->engine().Detach(this);  // Abort() left it to us
    return;
  }
  if (error != 0) {
    FailOperation(BodyError(operation->operand, error));
    return;
  }
  TakeBody(session_->unread);
}

// Answers it with an error. What of the body has not been taken is skipped.
void Stream::FailOperation(const absl::Status& error) {
  session_->parser.SkipBody(operation_->body_left());
  FinishOperation(Failed(operation_->operand, error));
}

void Stream::FinishOperation(copypath::Outcome outcome) {
  DCHECK_EQ(queue_.size(), 1u);
  Answer& answer = queue_[0];
  answer.kind = Answer::Kind::kText;
  answer.text = std::move(outcome.answer);
  answer.status = outcome.status;
  answer.bytes = outcome.bytes;
  // nothing else is gathered or sent now: until CountGathered()
  list_room_ = std::move(outcome.room);
  operation_.reset();
  ResumeReceiving();
  if (loop_->draining()) LeaveRestToSuccessor();
  Advance();
}

// Ends the connection instead of answering: the rest of the body does not come.
void Stream::AbandonOperation(Status status, absl::string_view why) {
  LOG_EVERY_T(WARNING, 1) << session_->PeerName() << ": closed, " << why;
  queue_.Take(0);
  operation_.reset();
  std::string farewell;
  session::AppendFatal(session_->dialect(), 0, status, why, &farewell);
  End(std::move(farewell));
}

// Whether nothing happens until the client sends more of the body.
bool Stream::AwaitsBody() const {
  return operation_ != nullptr && operation_->step == Operation::Step::kBody &&
         !operation_->in_flight() && operation_->body_left() > 0 && session_->unread.empty();
}

}  // namespace objmapper::loop
