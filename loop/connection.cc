// What becomes of a connection: what it sends, how long it may take, and how it ends.
#include "loop/connection.h"

#include <glog/logging.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "loop/loop.h"
#include "net/readable.h"
#include "session/answers.h"
#include "session/ending.h"
#include "session/http.h"

namespace objmapper::loop {
namespace {

using protocol::Request;
using protocol::Status;
using session::Burst;

// The most requests one burst takes from a client that pipelines. Beyond max_pipeline they are
// refused, which costs little.
constexpr size_t kBurstMax = 4096;
// How many requests a client without PIPELINING may have waiting here; it may send more, which stay
// in session_->unread and then in its socket.
constexpr size_t kEarlyMax = 64;
// Above this many unread bytes, nothing more is received.
constexpr size_t kUnreadMax = 16 * 1024;
// What a ring has received before it could be stopped comes on top: all its buffers at most, a
// megabyte. A connection of which more piles up is not kept.
constexpr size_t kUnreadEverMax = 4 << 20;
// Nor above this many descriptors that wait for their requests to be taken.
constexpr size_t kArrivalsMax = 16;

}  // namespace

Connection::Connection(std::unique_ptr<session::Session> session, Loop* loop)
    : Channel(session->fd(), session->transport == session::Transport::kUnix,
              session->may_bring_fds),
      session_(std::move(session)),
      loop_(loop),
      answering_(this, session_.get(), loop) {}

void Connection::Start() {
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
  answering_.Advance();
}

void Connection::Drain() {
  if (!loop_->options().switchboard->Departing()) session::AnnounceEnd(session_.get());
  if (loop_->options().switchboard->Departing()) LeaveRestToOthers();
  Settle();
}

bool Connection::LeaveRestToOthers() {
  if (!stays() || ending_ || other_lane_ || operation_ != nullptr || session_->peer_done)
    return false;
  other_lane_ = true;
  loop_->engine().StopReceiving(this);
  return true;
}

// ---- Requests in ----

void Connection::ReceiveAgain() {
  // Not while another process takes descriptors off the socket: what is found there is what it is
  // about to take.
  if (!receiving_paused_ && !other_lane_ && !ending_ && fetch_ == nullptr)
    loop_->engine().StartReceiving(this);
}

void Connection::LimitReceiving(bool full) {
  if (!full && session_->unread.size() <= kUnreadMax) return ResumeReceiving();
  if (receiving_paused_ || !stays()) return;
  receiving_paused_ = true;
  loop_->engine().StopReceiving(this);
}

void Connection::ResumeReceiving() {
  if (!receiving_paused_ || fetch_ != nullptr || session_->unread.size() > kUnreadMax ||
      session_->arrivals.size() > kArrivalsMax) {
    return;
  }
  receiving_paused_ = false;
  loop_->engine().StartReceiving(this);
}

void Connection::OnFdsWait(size_t bytes) {
  if (!stays()) return;
  if (!session_->takes_fds()) {
    LOG_EVERY_T(WARNING, 1) << session_->PeerName() << ": closed, it sent unexpected descriptors";
    Abort();
    return;
  }
  CHECK(fetch_ == nullptr) << "two processes would take descriptors off one socket";
  fetch_ = std::make_unique<Fetch>();
  const absl::Duration timeout = session_->limits->request_timeout;
  const absl::Duration patience = timeout == absl::ZeroDuration() ? absl::Seconds(30) : timeout;
  loop_->Run(
      loop_->options().foreign_pool,
      [fetch = fetch_.get(), fd = socket(), bytes, patience] {
        fetch->received = net::ReceiveElsewhere(fd, bytes, patience);
        return true;
      },
      [this] { OnFetched(); });
}

void Connection::OnFetched() {
  const std::unique_ptr<Fetch> fetch = std::move(fetch_);
  if (!GoesOn()) return;
  if (!fetch->received.ok()) {
    LOG_EVERY_T(WARNING, 1) << session_->PeerName() << ": closed, its descriptors cannot be taken: "
                            << fetch->received.status().message();
    Abort();
    return;
  }
  session_->fds_wait = false;
  // Not what is still to be taken up, nor when others go on.
  ReceiveAgain();
  if (fetch->received->bytes.empty()) return;  // the end, which is told by the engine
  session_->NoteArrival(session_->unread.size(), &*fetch->received);
  OnReceived(fetch->received->bytes, /*fds_refused=*/false);
  Settle();
}

void Connection::OnReceived(absl::string_view bytes, bool fds_refused) {
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
  if (operation_ != nullptr && operation_->takes_body() && stays()) {
    operation_->TakeBody(input);
    return;
  }
  if (!stays() || ending_ || intake_paused_ || other_lane_) {
    session::KeepUnread(session_.get(), input, 0,
                        operation_ == nullptr ? 0 : operation_->body_left());
    if (session_->unread.size() > kUnreadMax || session_->arrivals.size() > kArrivalsMax)
      LimitReceiving(/*full=*/true);
    return;
  }
  Intake(input);
  answering_.Advance();
}

void Connection::OnReceiveEnd(int error) {
  if (error != 0) {
    // Nobody goes on with a broken one; some of what it sent may be missing.
    if (exit_ == Exit::kRoute) exit_ = Exit::kDrop;
    Abort();
    return;
  }
  session_->peer_done = true;  // a half-closed client still gets its answers
  if (stays() && AwaitsBody()) {
    AbandonOperation(Status::kProtocolError, session::kEndedHalfSaid);
    return;
  }
  Settle();
}

void Connection::Intake(absl::string_view input) {
  const AnswerQueue& queue = answering_.queue();
  // For --requests_per_conn all that is taken counts: each is an answer.
  const uint64_t allowance =
      session_->allowance() - std::min<uint64_t>(session_->allowance(), answering_.taken());
  size_t room = kBurstMax;
  if (!session_->parser.Has(protocol::kPipelining))
    room = queue.size() < kEarlyMax ? kEarlyMax - queue.size() : 0;
  Burst* burst = loop_->burst();
  const LoopOptions& options = loop_->options();
  const auto answers_in_place = [this](const Request& r) { return answering_.AnswersInPlace(r); };
  const session::InPlace in_place = answers_in_place;
  session::TakeBurst(session_.get(), input, options.lane, answering_.outstanding(),
                     std::min<uint64_t>(room, allowance), burst,
                     options.in_place ? &in_place : nullptr);
  for (const Request& request : burst->requests) {
    if (burst->end == Burst::End::kOperation && &request == &burst->requests.back()) {
      operation_ =
          std::make_unique<Operation>(this, session_.get(), loop_, request, std::move(burst->fd));
      Answer answer;
      answer.kind = Answer::Kind::kOperation;
      answer.request = request;
      answer.request.uri = {};
      answering_.queue().Push(std::move(answer));
    } else {
      answering_.Enqueue(request);
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
    case Burst::End::kFatal:
      farewell_ = session::EndingOf(*session_, burst->end, burst->fatal, /*draining=*/false,
                                    /*departing=*/false)
                      .farewell;
      ending_ = true;
      loop_->engine().StopReceiving(this);
      break;
  }
  if (queue.size() > session_->parser.max_pipeline()) intake_paused_ = true;
  // To ask is no progress while answers are not read.
  UpdateDeadline(/*progress=*/(!burst->requests.empty() || burst->dropped) &&
                 !answering_.outlet().stalled());
}

bool Connection::ResumeIntake() {
  if (!intake_paused_ || ending_ || other_lane_ || operation_ != nullptr || session_->exhausted())
    return false;
  // Not for every answer that leaves: what waits is judged by how many are outstanding.
  const size_t few = std::min<size_t>(session_->parser.max_pipeline(), kEarlyMax) / 2;
  const size_t before = answering_.queue().size();
  if (before > few) return false;
  Intake(session_->unread);
  if (operation_ == nullptr || operation_->has_body()) ResumeReceiving();
  return answering_.queue().size() > before;
}

// ---- Operations ----

void Connection::FinishOperation(copypath::Outcome outcome) {
  if (outcome.kind == copypath::Outcome::Kind::kPiece) return answering_.Say(outcome.answer);
  if (outcome.kind == copypath::Outcome::Kind::kBroken) {
    LOG_EVERY_T(WARNING, 1) << session_->PeerName()
                            << ": closed in the middle of an answer: " << outcome.answer;
    return Abort();
  }
  answering_.SetOutcome(std::move(outcome));
  operation_.reset();
  ResumeReceiving();
  if (loop_->draining() && loop_->options().switchboard->Departing()) LeaveRestToOthers();
  answering_.Advance();
}

void Connection::AbandonOperation(Status status, absl::string_view why) {
  LOG_EVERY_T(WARNING, 1) << session_->PeerName() << ": closed, " << why;
  if (status == Status::kTimeout)
    loop_->options().connections->timed_out.fetch_add(1, std::memory_order_relaxed);
  std::string farewell;
  session::AppendFatal(session_->dialect(), 0, status, why, &farewell);
  answering_.queue().Take(0);
  operation_.reset();
  ending_ = true;
  farewell_ = std::move(farewell);
  // Else what is being sent is sent first.
  if (answering_.outlet().free()) End(farewell_);
}

void Connection::Interject(absl::string_view words) {
  if (!words.empty()) answering_.Say(words);
}

// ---- Time and life ----

void Connection::Settle() {
  if (!stays() || owes()) return;
  if (!ending_) {
    const bool draining = loop_->draining();
    session::Ending ending = session::EndingAtRest(
        *session_, other_lane_ ? Burst::End::kOtherLane : Burst::End::kNeedMore, draining,
        draining && loop_->options().switchboard->Departing());
    if (ending.next == session::Ending::Next::kGoOn) return UpdateDeadline(/*progress=*/false);
    if (ending.next == session::Ending::Next::kRoute) return Leave(Exit::kRoute);
    farewell_ = std::move(ending.farewell);
  }
  End(farewell_);
}

void Connection::End(const std::string& farewell) {
  ending_ = true;
  if (farewell.empty() || farewell_said_) {
    Leave(Exit::kRetire);
    return;
  }
  farewell_said_ = true;
  answering_.Say(farewell);  // OnSent() comes back to Settle(), which finds nothing more to say
}

void Connection::Leave(Exit exit) {
  DCHECK(answering_.outlet().free());
  exit_ = exit;
  loop_->deadlines()->Stop(this);
  GoesOn();
}

void Connection::Abort() {
  if (!stays()) return;
  exit_ = Exit::kDrop;
  loop_->deadlines()->Stop(this);
  // Ends sends and transfers in flight.
  shutdown(socket(), SHUT_RDWR);
  GoesOn();
}

bool Connection::GoesOn() {
  if (stays()) return true;
  if (!answering_.outlet().transfers() && fetch_ == nullptr &&
      (operation_ == nullptr || !operation_->in_flight()))
    loop_->engine().Detach(this);
  return false;
}

void Connection::OnDetached() {
  answering_.body().mover().End();
  std::unique_ptr<session::Session> session = std::move(session_);
  session::Switchboard* switchboard = loop_->options().switchboard;
  const Exit exit = exit_;
  loop_->Remove(this);  // deletes this
  if (exit == Exit::kRoute) switchboard->Route(std::move(session));
  if (exit == Exit::kRetire) switchboard->Retire(std::move(session));
}

void Connection::UpdateDeadline(bool progress) {
  if (!stays()) return;
  const bool idle = !owes() && !session::IsHalfSaid(*session_);
  // Half a request is no progress: a byte now and then does not extend its time.
  // Nor do words that are no request (AUTH) extend the time of one that asks nothing.
  if (progress || idle == loop_->deadlines()->IsBusy(this))
    loop_->deadlines()->Start(this, idle, loop_->now_ns());
}

void Connection::OnDeadline(bool idle) {
  const bool stalled_reader = answering_.outlet().stalled();
  const bool awaits_body = !idle && AwaitsBody();
  if (!idle && owes() && !awaits_body) {
    // Either it waits for this server or the disk; or it reads, though not so much that there is
    // room.
    if (!stalled_reader || answering_.outlet().Shrank()) return UpdateDeadline(/*progress=*/true);
  }
  // Here it is the client that is to speak. What this round had no room for, or what came while the
  // process was stopped, is taken first.
  if ((awaits_body || (!stalled_reader && !session_->peer_done)) && net::IsReadable(socket()) &&
      loop_->deadlines()->Excuse(this, idle, loop_->now_ns()))
    return;
  if (awaits_body) return AbandonOperation(Status::kTimeout, session::kLateHalfSaid);
  loop_->options().connections->timed_out.fetch_add(1, std::memory_order_relaxed);
  if (stalled_reader) {
    LOG_EVERY_T(WARNING, 1) << session_->PeerName()
                            << ": closed, it did not read its answers in time";
    Abort();
    return;
  }
  End(session::LateFarewell(*session_, /*half_said=*/!idle));
}

}  // namespace objmapper::loop
