// The steps of an operation, one job of the pool or one piece of the body at a time.
#include "loop/operation.h"

#include <optional>
#include <utility>

#include "copypath/list_through.h"
#include "loop/connection.h"
#include "loop/loop.h"
#include "net/readable.h"
#include "session/body.h"
#include "session/ending.h"
#include "session/intake.h"

namespace objmapper::loop {

using protocol::Mode;
using protocol::Status;

namespace {
// What an object has to be larger than for its commit (hash, fsync(2)) to be long work.
constexpr uint64_t kLargeBytes = 16 * 1024 * 1024;
}  // namespace

Operation::Operation(Connection* connection, session::Session* session, Loop* loop,
                     const protocol::Request& request, net::ForeignFd fd)
    : connection_(connection),
      session_(session),
      loop_(loop),
      fd_(std::move(fd)),
      body_(session::BodyReader(request), &loop->engine(), loop->options().pool,
            [this](int error) { OnBodyWritten(error); }) {
  operand_.store = loop->options().store;
  operand_.tree = loop->options().tree;
  operand_.dialect = session->dialect();
  operand_.uri.assign(request.uri.data(), request.uri.size());
  operand_.access = session->limits->access;
  operand_.peer = session->peer;
  operand_.socket = session->fd();
  operand_.request = request;
  operand_.request.uri = {};
  if (request.mode != Mode::kList)
    operand_.afar = copypath::ChangesAfar(*operand_.tree, operand_.uri);
  if (request.mode == Mode::kPut || request.mode == Mode::kPutFd)
    operand_.peer_key = session->PeerKey();
  if (request.mode == Mode::kList && request.http != nullptr)
    listing_ = std::make_unique<copypath::FolderListing>(operand_);
}

// work: as Loop::Run()'s.
void Operation::Run(Step step, std::function<bool()> work, bool is_long) {
  step_ = step;
  job_in_flight_ = true;
  const auto done = [this] { OnJobEnded(); };
  if (operand_.request.mode == Mode::kPutFd) {
    // The client's file may keep the thread that looks at it waiting for --request_timeout: not
    // those that others need for the disk.
    loop_->Run(loop_->options().foreign_pool, std::move(work), done);
  } else {
    loop_->RunOnDisk(std::move(work), done, is_long);
  }
}

void Operation::Start() {
  if (step_ != Step::kWaiting) return;
  switch (operand_.request.mode) {
    case Mode::kPut:
      if (Gathers()) return BeginBody();
      return Run(Step::kBeginning, [this] {
        absl::StatusOr<std::unique_ptr<storage::NewObject>> object = BeginPut(operand_);
        begun_ = object.status();
        if (object.ok()) body_.set_object(*std::move(object));
        return true;
      });
    case Mode::kPutFd:
      if (operand_.afar) return Spool();
      return Run(Step::kFinishing, [this] {
        outcome_ = PutFd(operand_, std::move(fd_));
        return true;
      });
    case Mode::kDelete:
      if (operand_.afar) return ChangeAfar();
      return Run(Step::kFinishing, [this] {
        outcome_ = Delete(operand_);
        return true;
      });
    default:
      if (operand_.request.through()) return RunListThrough();
      return Run(
          Step::kFinishing,
          [this] {
            outcome_ = listing_ != nullptr
                           ? listing_->Next()
                           : List(operand_, operand_.access, operand_.peer, operand_.socket);
            return true;
          },
          // a tree that is walked, or a folder that is read, may be a large one
          /*is_long=*/listing_ != nullptr || operand_.store->ListWalks());
  }
}

void Operation::RunListThrough() {
  step_ = Step::kFinishing;
  job_in_flight_ = true;
  const bool is_long = operand_.store->ListWalks();
  const auto run = [pool = loop_->DiskPool(is_long), is_long](std::function<void()> work) {
    using Length = copypath::BlockingPool::Length;
    pool->Run(std::move(work), is_long ? Length::kLong : Length::kShort);
  };
  copypath::ListThrough(
      operand_, run,
      [this, ended = loop_->Later([this] { OnJobEnded(); })](copypath::Outcome outcome) mutable {
        outcome_ = std::move(outcome);
        ended();
      });
}

// Whether the body is gathered before anything is begun. Not where its sender waits to be asked for
// it, nor where it may be at fault already: that is answered by a job, for Start() may not end
// this.
bool Operation::Gathers() const {
  const std::optional<uint64_t> length = session::LengthOf(operand_.request);
  return length.has_value() && *length <= copypath::PutBody::kGatheredMax &&
         session::Invitation(operand_.request).empty() && !session_->fds_at.has_value() &&
         (!session_->peer_done || session_->unread.size() >= *length);
}

void Operation::OnJobEnded() {
  job_in_flight_ = false;
  if (!connection_->GoesOn()) return;
  if (step_ == Step::kFinishing) {
    if (outcome_.kind == copypath::Outcome::Kind::kPiece) step_ = Step::kWaiting;
    return connection_->FinishOperation(std::move(outcome_));
  }
  if (step_ == Step::kSpooling) {
    if (!begun_.ok()) return connection_->FinishOperation(Failed(operand_, begun_));
    return ChangeAfar();
  }
  if (!begun_.ok()) return Fail(begun_);
  BeginBody();
}

void Operation::BeginBody() {
  step_ = Step::kBody;
  pace_ = copypath::BodyPace(*session_->limits);
  connection_->UpdateDeadline(/*progress=*/true);
  // Who has begun to send does not wait.
  if (body_.awaited() && session_->unread.empty())
    connection_->Interject(session::Invitation(operand_.request));
  TakeBody(session_->unread);
}

void Operation::TakeBody(absl::string_view input) {
  const int64_t waited_ns = awaits_since_ns_ == 0 ? 0 : loop_->now_ns() - awaits_since_ns_;
  // After all that an earlier round had brought. What this one brings may come in pieces, of which
  // each but the last has more behind it.
  const bool was_too_slow = pace_.too_slow() && waited_ns > 0;
  pace_.Waited(waited_ns);
  awaits_since_ns_ = 0;
  // What comes after an error is dropped once nothing is in flight.
  const size_t taken = body_.Take(input, &begun_);
  pace_.Came(taken);
  const bool stray_fds = session::HasStrayFds(*session_, taken);
  session::KeepUnread(session_, input, taken, body_left());
  if (taken > 0) connection_->UpdateDeadline(/*progress=*/true);
  if (stray_fds && begun_.ok())
    begun_ = absl::InvalidArgumentError("descriptors arrived with the body of an object");
  connection_->LimitReceiving(/*full=*/body_.full());
  if (in_flight()) return;
  if (!begun_.ok()) return Fail(begun_);
  if (body_.done()) return Commit();
  if (!AwaitsBody()) return;
  if (session_->peer_done) {
    return connection_->AbandonOperation(Status::kProtocolError, session::kEndedHalfSaid);
  }
  if (was_too_slow && pace_.too_slow() && !net::IsReadable(operand_.socket))
    return connection_->AbandonOperation(Status::kTimeout,
                                         pace_.Why(operand_.uri, body_.body().left()));
  awaits_since_ns_ = loop_->now_ns();
}

// The body, or the client's file, as a whole object that nobody sees.
void Operation::Spool() {
  Run(Step::kSpooling, [this] {
    absl::StatusOr<std::unique_ptr<storage::NewObject>> object =
        operand_.request.mode == Mode::kPutFd ? SpoolFd(operand_, std::move(fd_))
                                              : SpoolWhole(operand_, body_.gathered());
    begun_ = object.status();
    if (object.ok()) spooled_ = *std::move(object);
    return true;
  });
}

// No thread waits for the origin.
void Operation::ChangeAfar() {
  step_ = Step::kFinishing;
  job_in_flight_ = true;
  const auto done = [this,
                     later = loop_->Later([this] { OnJobEnded(); })](copypath::Outcome outcome) {
    outcome_ = std::move(outcome);
    spooled_.reset();  // closing it may take its time
    later();
  };
  if (spooled_ == nullptr) return DeleteAfar(operand_, done);
  PutAfar(operand_, spooled_.get(), done);
}

void Operation::Commit() {
  if (operand_.afar) {
    if (body_.object() == nullptr) return Spool();
    spooled_ = body_.TakeObject();
    return ChangeAfar();
  }
  if (body_.object() == nullptr) {
    return Run(Step::kFinishing, [this] {
      outcome_ = PutWhole(operand_, body_.gathered());
      return true;
    });
  }
  Run(
      Step::kFinishing,
      [this] {
        std::optional<copypath::Outcome> outcome = StepCommitPut(operand_, body_.object());
        if (!outcome.has_value()) return false;
        outcome_ = *std::move(outcome);
        body_.DropObject();  // closing it may take its time
        return true;
      },
      /*is_long=*/body_.object()->size() > kLargeBytes);
}

void Operation::OnBodyWritten(int error) {
  if (!connection_->GoesOn()) return;
  if (error != 0) return Fail(BodyError(operand_, error));
  TakeBody(session_->unread);
}

// Answers with an error. What of the body has not been taken never will be.
void Operation::Fail(const absl::Status& error) {
  session::GiveUpBody(session_, operand_.request, body_.body());
  connection_->FinishOperation(Failed(operand_, error));
}

bool Operation::AwaitsBody() const {
  // What is unread then is the beginning of something (a line between chunks).
  return step_ == Step::kBody && !in_flight() && body_.awaited();
}

}  // namespace objmapper::loop
