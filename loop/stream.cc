#include "loop/stream.h"

#include <errno.h>
#include <glog/logging.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>

#include "loop/loop.h"
#include "net/readable.h"
#include "protocol/objm/encode.h"
#include "storage/tree/find_description.h"

namespace objmapper::loop {
namespace {

using protocol::Mode;
using protocol::Request;
using protocol::Status;
using session::Burst;

// The most requests one burst takes from a client that pipelines. Beyond max_pipeline they are
// refused, which costs little.
constexpr size_t kBurstMax = 4096;

}  // namespace

Stream::Stream(std::unique_ptr<session::Session> session, Loop* loop)
    : Channel(session->fd(), session->transport == session::Transport::kUnix,
              session->may_bring_fds),
      session_(std::move(session)),
      loop_(loop) {}

Stream::~Stream() {
  const auto forget = [this](copypath::CachedObject* object) {
    if (object != nullptr) std::erase(object->waiters(), this);
  };
  for (size_t i = 0; i < queue_.size(); ++i) forget(queue_[i].object.get());
  forget(body_.object.get());
  if (passing_ != nullptr) {
    loop_->StopRetry(passing_.get());
    for (const Passing::Opening& opening : passing_->openings) forget(opening.answer.object.get());
    loop_->Orphan(this, std::move(passing_));
  }
}

void Stream::Start() {
  UpdateDeadline(/*progress=*/true);
  loop_->engine().StartReceiving(this);
  // Another lane has left them to us, with the beginning of what they come with.
  if (session_->fds_wait) return;
  if (loop_->draining() && loop_->options().switchboard->Departing()) {
    Drain();
    return;
  }
  if (session_->unread.empty()) {
    // Nothing is on its way that would end with goodbye.
    int waiting = 0;
    if (loop_->draining() && ioctl(socket(), FIONREAD, &waiting) == 0 && waiting == 0) Drain();
    return;
  }
  Intake(session_->unread);
  Advance();
}

void Stream::Drain() {
  LeaveRestToSuccessor();
  if (exit_ == Exit::kStay && !owes()) OnNothingOwed();
}

// What is asked from now on is for others: once nothing is owed, the session is routed. False: not
// so, since who has said all it will needs nobody else, and an operation is finished first, with
// the body that may still come.
bool Stream::LeaveRestToOthers() {
  if (exit_ != Exit::kStay || ending_ || other_lane_ || operation_ != nullptr ||
      session_->peer_done)
    return false;
  other_lane_ = true;
  loop_->engine().StopReceiving(this);
  return true;
}

// The server that takes over, if one does.
void Stream::LeaveRestToSuccessor() {
  if (loop_->options().switchboard->Departing()) LeaveRestToOthers();
}

// ---- Requests in ----

void Stream::PauseReceiving() {
  if (receiving_paused_ || exit_ != Exit::kStay) return;
  receiving_paused_ = true;
  loop_->engine().StopReceiving(this);
}

void Stream::ResumeReceiving() {
  if (!receiving_paused_ || fetch_ != nullptr || session_->unread.size() > kUnreadMax ||
      session_->arrivals.size() > kArrivalsMax) {
    return;
  }
  receiving_paused_ = false;
  loop_->engine().StartReceiving(this);
}

void Stream::OnFdsWait(size_t bytes) {
  if (exit_ != Exit::kStay) return;
  if (!session_->takes_fds()) {
    LOG_EVERY_T(WARNING, 1) << session_->PeerName() << ": closed, it sent unexpected descriptors";
    Abort();
    return;
  }
  CHECK(fetch_ == nullptr) << "two processes would take descriptors off one socket";
  fetch_ = std::make_unique<Fetch>();
  const absl::Duration timeout = session_->limits->request_timeout;
  const absl::Duration patience = timeout == absl::ZeroDuration() ? absl::Seconds(30) : timeout;
  loop_->RunFetch(this, [fetch = fetch_.get(), fd = socket(), bytes, patience] {
    fetch->received = net::ReceiveElsewhere(fd, bytes, patience);
  });
}

void Stream::OnFetched() {
  const std::unique_ptr<Fetch> fetch = std::move(fetch_);
  if (exit_ != Exit::kStay) {
    // Abort() or Leave() left it to us
    if (!transferring_ && !HasJob()) loop_->engine().Detach(this);
    return;
  }
  if (!fetch->received.ok()) {
    LOG_EVERY_T(WARNING, 1) << session_->PeerName() << ": closed, its descriptors cannot be taken: "
                            << fetch->received.status().message();
    Abort();
    return;
  }
  session_->fds_wait = false;
  // Not what is still to be taken up, nor when others go on.
  if (MayReceive()) loop_->engine().StartReceiving(this);
  if (fetch->received->bytes.empty()) return;  // the end, which is told by the engine
  session_->NoteArrival(session_->unread.size(), &*fetch->received);
  OnReceived(fetch->received->bytes, /*fds_refused=*/false);
  if (exit_ == Exit::kStay && !owes()) OnNothingOwed();
}

void Stream::OnReceived(absl::string_view bytes, bool fds_refused) {
  session_->received_ns.store(loop_->now_ns(), std::memory_order_relaxed);
  absl::string_view input = bytes;
  if (const size_t begin = session_->unread.size(); begin > kUnreadEverMax) {
    LOG(ERROR) << session_->PeerName() << ": closed, " << begin
               << " of its bytes are unread and more keep arriving";
    Abort();
    return;
  }
  if (!session_->unread.empty()) {
    session_->unread.append(bytes.data(), bytes.size());
    input = session_->unread;
  }
  if (fds_refused && !session_->fds_at.has_value()) session_->fds_at = input.size() - 1;
  if (operation_ != nullptr && operation_->step == Operation::Step::kBody && exit_ == Exit::kStay) {
    TakeBody(input);
    return;
  }
  if (exit_ != Exit::kStay || ending_ || intake_paused_ || other_lane_) {
    session::KeepUnread(session_.get(), input, 0,
                        operation_ == nullptr ? 0 : operation_->body_left());
    if (session_->unread.size() > kUnreadMax || session_->arrivals.size() > kArrivalsMax)
      PauseReceiving();
    return;
  }
  Intake(input);
  Advance();
}

void Stream::OnReceiveEnd(int error) {
  if (error != 0) {
    // Nobody goes on with a broken one; some of what it sent may be missing.
    if (exit_ == Exit::kRoute) exit_ = Exit::kDrop;
    Abort();
    return;
  }
  session_->peer_done = true;  // a half-closed client still gets its answers
  if (exit_ == Exit::kStay && AwaitsBody()) {
    AbandonOperation(Status::kProtocolError, "the connection ended in the middle of a request");
    return;
  }
  if (exit_ == Exit::kStay && !owes()) OnNothingOwed();
}

void Stream::Intake(absl::string_view input) {
  // What is in the kernel's or a splice thread's hands is not counted: the client may have it
  // already, and ask again before we are told.
  const size_t outstanding = queue_.size() + (body_.object || awaiting_room_ ? 1 : 0);
  // For --requests_per_conn they count: each is an answer.
  const size_t taken = outstanding + (transferring_ ? 1 : 0) +
                       (out_ != nullptr ? out_->answers() : 0) +
                       (passing_ != nullptr && !passing_->is_x
                            ? passing_->message.answer_count() + passing_->openings.size()
                            : 0);
  const uint64_t allowance =
      session_->allowance() - std::min<uint64_t>(session_->allowance(), taken);
  size_t room = kBurstMax;
  if (!session_->parser.Has(protocol::kPipelining)) {
    room = queue_.size() < kEarlyMax ? kEarlyMax - queue_.size() : 0;
  }
  Burst* burst = loop_->burst();
  const LoopOptions& options = loop_->options();
  const auto answers_in_place = [this](const Request& r) { return AnswersInPlace(r); };
  const session::InPlace in_place = answers_in_place;
  session::TakeBurst(session_.get(), input, options.lane, outstanding,
                     std::min<uint64_t>(room, allowance), burst,
                     options.in_place ? &in_place : nullptr);
  for (const Request& request : burst->requests) {
    if (burst->end == Burst::End::kOperation && &request == &burst->requests.back()) {
      EnqueueOperation(request, std::move(burst->fd));
    } else {
      Enqueue(request);
    }
  }
  session::KeepUnread(session_.get(), input, burst->consumed,
                      operation_ == nullptr ? 0 : operation_->body_left());
  intake_paused_ = false;
  switch (burst->end) {
    case Burst::End::kNeedMore:
      break;
    case Burst::End::kFull:
    case Burst::End::kOperation:
      intake_paused_ = true;
      break;
    case Burst::End::kOtherLane:
      other_lane_ = true;
      loop_->engine().StopReceiving(this);
      break;
    case Burst::End::kClose:
      session::AppendCloseAck(session_->dialect(), &farewell_);
      ending_ = true;
      loop_->engine().StopReceiving(this);
      break;
    case Burst::End::kFatal: {
      LOG_EVERY_T(WARNING, 1) << session_->PeerName() << ": " << burst->fatal.reason;
      session::AppendFatal(session_->dialect(), burst->fatal.id, burst->fatal.status,
                           burst->fatal.reason, &farewell_);
      ending_ = true;
      loop_->engine().StopReceiving(this);
      break;
    }
  }
  if (queue_.size() > session_->parser.max_pipeline()) intake_paused_ = true;
  // To ask is no progress while answers are not read.
  const bool stalled = sending_ || awaiting_room_;
  UpdateDeadline(/*progress=*/(!burst->requests.empty() || burst->dropped) && !stalled);
}

// Whether a request of the other lane's is answered here.
bool Stream::AnswersInPlace(const Request& request) {
  if (strangers_ >= kStrangersMax || session::IsOperation(request.mode)) return false;
  ++strangers_;
  return true;
}

// Takes requests that wait in `unread`. True: some were taken.
bool Stream::ResumeIntake() {
  if (!intake_paused_ || ending_ || other_lane_ || operation_ != nullptr || session_->exhausted())
    return false;
  // Not for every answer that leaves: what waits is judged by how many are outstanding.
  const size_t few = std::min<size_t>(session_->parser.max_pipeline(), kEarlyMax) / 2;
  if (queue_.size() > few) return false;
  const size_t before = queue_.size();
  Intake(session_->unread);
  if (operation_ == nullptr || operation_->body_left() > 0) ResumeReceiving();
  return queue_.size() > before;
}

void Stream::Enqueue(const Request& request) {
  Answer answer;
  answer.request = request;
  answer.request.uri = {};
  // Of our own lane: what is answered in place is counted there.
  if (request.mode != Mode::kFdPass) strangers_ = 0;
  const auto refuse = [&](Status status, absl::string_view message) {
    answer.kind = Answer::Kind::kText;
    answer.status = status;
    session::AppendError(session_->dialect(), request.id, status, message, &answer.text,
                         request.retry_after_ms);
  };
  if (request.refusal != Status::kOk) {
    refuse(request.refusal, request.reason);
    queue_.Push(std::move(answer));
    return;
  }
  if (request.mode == Mode::kStat) {
    EnqueueStat(request);
    return;
  }
  if (request.mode == Mode::kFdPass) {
    answer.kind = Answer::Kind::kFd;
    answer.text.assign(request.uri.data(), request.uri.size());
    queue_.Push(std::move(answer));
    OpenAheadApart();
    return;
  }
  absl::StatusOr<copypath::ObjectRef> object = loop_->Lookup(request.uri);
  if (!object.ok()) {
    refuse(session::WireStatus(object.status()), object.status().message());
  } else {
    answer.kind = Answer::Kind::kObject;
    answer.object = *std::move(object);
    if (answer.object->state() == copypath::CachedObject::State::kLoading) {
      WaitFor(answer.object.get());
    } else if (!queue_.empty()) {
      Prefetch(answer);  // the first in the queue is looked at by Advance() in a moment
    }
  }
  queue_.Push(std::move(answer));
}

void Stream::EnqueueStat(const Request& request) {
  Answer answer;
  answer.request = request;
  answer.request.uri = {};
  const absl::StatusOr<storage::Description> found =
      storage::FindDescription(*loop_->options().tree, loop_->options().index, request.uri,
                               loop_->now_ns(), storage::Wait::kCachedOnly);
  if (found.ok()) {
    session::AppendStatOf(session_->dialect(), request.id, *found, &answer.text);
    queue_.Push(std::move(answer));
    return;
  }
  absl::Status error = found.status();
  if (absl::IsUnavailable(error)) {
    // The disk has to be asked. Opening the object asks it, and answers as well.
    absl::StatusOr<copypath::ObjectRef> object = loop_->Lookup(request.uri);
    if (object.ok()) {
      answer.kind = Answer::Kind::kStat;
      answer.object = *std::move(object);
      if (answer.object->state() == copypath::CachedObject::State::kLoading)
        WaitFor(answer.object.get());
      queue_.Push(std::move(answer));
      return;
    }
    error = object.status();
  }
  answer.status = session::WireStatus(error);
  session::AppendError(session_->dialect(), request.id, answer.status, error.message(),
                       &answer.text);
  queue_.Push(std::move(answer));
}

// Begins to bring in what a queued answer will send first, so that the disk works for all of a
// pipeline at once.
void Stream::Prefetch(const Answer& answer) {
  if (answer.kind == Answer::Kind::kObject) IsReady(answer);
}

void Stream::WaitFor(copypath::CachedObject* object) {
  std::vector<Stream*>& waiters = object->waiters();
  if (std::find(waiters.begin(), waiters.end(), this) == waiters.end()) waiters.push_back(this);
}

void Stream::OnObjectChanged(copypath::CachedObject* object) {
  for (size_t i = 0; i < queue_.size(); ++i) {
    if (queue_[i].object.get() == object) Prefetch(queue_[i]);
  }
  Advance();
}

// ---- Time and life ----

void Stream::OnNothingOwed() {
  if (exit_ != Exit::kStay) return;
  if (session_->exhausted() && !ending_) {
    session::AppendClose(session_->dialect(), protocol::CloseReason::kNormal, &farewell_);
    ending_ = true;
  }
  if (ending_) {
    End(std::move(farewell_));
    return;
  }
  if (other_lane_) {
    Leave(Exit::kRoute);
    return;
  }
  if (session_->peer_done) {
    std::string farewell;
    if (!session_->unread.empty() || session_->parser.skipping()) {
      session::AppendFatal(session_->dialect(), 0, Status::kProtocolError,
                           "the connection ended in the middle of a request", &farewell);
    }
    End(std::move(farewell));
    return;
  }
  if (loop_->draining()) {
    std::string farewell;
    session::AppendClose(session_->dialect(), protocol::CloseReason::kShuttingDown, &farewell);
    End(std::move(farewell));
    return;
  }
  UpdateDeadline(/*progress=*/false);
}

// Says `farewell`, then retires the session.
void Stream::End(std::string farewell) {
  ending_ = true;
  if (farewell.empty() || farewell_said_) {
    Leave(Exit::kRetire);
    return;
  }
  farewell_said_ = true;
  out_ = std::make_unique<copypath::Gather>();
  out_->Text(farewell);
  Send();  // OnSent() comes back to OnNothingOwed(), which finds nothing more to say
}

void Stream::Leave(Exit exit) {
  DCHECK(!sending_ && !transferring_);
  exit_ = exit;
  loop_->StopDeadline(this);
  if (fetch_ == nullptr) loop_->engine().Detach(this);
}

void Stream::Abort() {
  if (exit_ != Exit::kStay) return;
  exit_ = Exit::kDrop;
  loop_->StopDeadline(this);
  // Ends sends and transfers in flight.
  shutdown(socket(), SHUT_RDWR);
  if (!transferring_ && !HasJob()) loop_->engine().Detach(this);
}

void Stream::OnDetached() {
  GivePipeBack();
  SetBlocking(true);
  std::unique_ptr<session::Session> session = std::move(session_);
  session::Switchboard* switchboard = loop_->options().switchboard;
  const Exit exit = exit_;
  loop_->Remove(this);  // deletes this
  switch (exit) {
    case Exit::kRoute:
      switchboard->Route(std::move(session));
      return;
    case Exit::kRetire:
      switchboard->Retire(std::move(session));
      return;
    case Exit::kStay:
    case Exit::kDrop:
      return;
  }
}

void Stream::UpdateDeadline(bool progress) {
  if (exit_ != Exit::kStay) return;
  const bool idle = !owes() && session_->unread.empty() && !session_->parser.skipping();
  // Half a request is no progress: a byte now and then does not extend its time.
  if (idle || progress || !loop_->IsBusy(this)) loop_->StartDeadline(this, idle);
}

void Stream::OnDeadline(bool idle) {
  const bool stalled_reader = sending_ || awaiting_room_;
  if (!idle && AwaitsBody()) {
    if (net::IsReadable(socket()) && loop_->ExcuseDeadline(this, idle)) return;
    loop_->options().connections->timed_out.fetch_add(1, std::memory_order_relaxed);
    AbandonOperation(Status::kTimeout, "the rest of the request did not arrive in time");
    return;
  }
  if (!idle && owes() && !stalled_reader) {
    UpdateDeadline(/*progress=*/true);  // it waits for us or the disk, not we for it
    return;
  }
  if (!idle && stalled_reader && unsent_.Shrank(socket())) {
    UpdateDeadline(/*progress=*/true);  // it reads, though not so much that there is room
    return;
  }
  // Here it is the client that is to speak. What this round had no room for, or what came while the
  // process was stopped, is taken first.
  if (!stalled_reader && !session_->peer_done && net::IsReadable(socket()) &&
      loop_->ExcuseDeadline(this, idle))
    return;
  loop_->options().connections->timed_out.fetch_add(1, std::memory_order_relaxed);
  if (stalled_reader) {
    LOG_EVERY_T(WARNING, 1) << session_->PeerName()
                            << ": closed, it did not read its answers in time";
    Abort();
    return;
  }
  std::string farewell;
  if (idle) {
    session::AppendClose(session_->dialect(), protocol::CloseReason::kIdleTimeout, &farewell);
  } else {
    LOG_EVERY_T(WARNING, 1) << session_->PeerName()
                            << ": closed, the rest of its request did not arrive in time";
    session::AppendFatal(session_->dialect(), 0, Status::kTimeout,
                         "the rest of the request did not arrive in time", &farewell);
  }
  End(std::move(farewell));
}

}  // namespace objmapper::loop
