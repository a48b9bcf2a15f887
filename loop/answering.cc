// The order of answers and the steps of each; the bytes of objects are copypath/body_sender.h's,
// descriptors loop/passer.h's.
#include "loop/answering.h"

#include <errno.h>
#include <glog/logging.h>
#include <string.h>
#include <sys/socket.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "loop/connection.h"
#include "loop/loop.h"
#include "session/account.h"
#include "session/listing.h"
#include "text/printable.h"

namespace objmapper::loop {
namespace {

using copypath::BodySender;
using copypath::CachedObject;
using copypath::ObjectRef;
using copypath::Transfer;
using protocol::Mode;
using protocol::Request;

// One send gathers answers up to about this size, unless one alone is larger.
constexpr size_t kGatherBytes = 256 * 1024;
// After so many requests of the other lane without one of this lane's the connection moves, if it
// may: a client that mixes modes stays, one that has changed its mode goes where that is served
// best.
constexpr uint16_t kStrangersMax = 64;
// And so many small bodies after a connection's last large one it goes back to the loops of small
// ones.
constexpr uint16_t kSmallBodiesMax = 64;

void LogBroken(const session::Session& session, absl::string_view why) {
  LOG_EVERY_T(WARNING, 1) << session.PeerName() << ": closed in the middle of a body: " << why;
}

}  // namespace

Answering::Answering(Connection* connection, session::Session* session, Loop* loop)
    : connection_(connection),
      session_(session),
      loop_(loop),
      outlet_(connection, &loop->engine()),
      body_(connection->socket(), connection->unix_socket(), &loop->options(), loop->objects(),
            this),
      passer_(this, connection, session, loop) {}

Answering::~Answering() {
  for (size_t i = 0; i < queue_.size(); ++i) {
    if (queue_[i].object) queue_[i].object->StopAwaiting(this);
  }
}

// ---- Requests in ----

size_t Answering::outstanding() const {
  return queue_.size() + (body_.busy() || outlet_.awaits_room() ? 1 : 0);
}

size_t Answering::taken() const {
  return outstanding() + (outlet_.transfers() ? 1 : 0) + (out_ != nullptr ? out_->answers() : 0) +
         passer_.answers();
}

bool Answering::AnswersInPlace(const Request& request) {
  if (strangers_ >= kStrangersMax || session::IsOperation(request.mode)) return false;
  ++strangers_;
  return true;
}

void Answering::Enqueue(const Request& request) {
  // Of our own lane: what is answered in place is counted there.
  if (request.mode != Mode::kFdPass) strangers_ = 0;
  Answer answer =
      AnswerTo(request, session_->dialect(),
               {loop_->options().tree, loop_->options().index, loop_->objects()}, loop_->now_ns());
  if (answer.object && answer.object->state() == CachedObject::State::kLoading) {
    answer.request.awaited = true;
    answer.object->Await(this);
  } else if (answer.kind == Answer::Kind::kObject && !queue_.empty()) {
    // Begins to bring in what it will send first, so that the disk works for all of a pipeline at
    // once. The first in the queue is looked at by Advance() in a moment.
    IsReady(answer);
  }
  queue_.Push(std::move(answer));
  if (queue_[queue_.size() - 1].kind == Answer::Kind::kFd) passer_.OpenAheadApart();
}

void Answering::OnObjectChanged(CachedObject* object) {
  for (size_t i = 0; i < queue_.size(); ++i) {
    if (queue_[i].object.get() == object && queue_[i].kind == Answer::Kind::kObject)
      IsReady(queue_[i]);
  }
  Advance();
}

// ---- Answers out ----

void Answering::Advance() {
  if (!connection_->stays() || !outlet_.free()) return;
  Compose();
  if (connection_->stays() && !owes()) connection_->Settle();
}

// Gathers what can be sent now, and sends it.
void Answering::Compose() {
  if (out_ == nullptr) out_ = std::make_unique<copypath::Gather>();
  while (out_->piece_count() + 3 <= kPiecesMax && out_->bytes() < kGatherBytes) {
    if (body_.busy()) {
      if (!ComposeBody()) break;
      continue;
    }
    if (connection_->ResumeIntake()) continue;
    // All that was asked before an operation is answered first: a descriptor that was asked for
    // before an OP_PUT is the old object's.
    if (connection_->operation() != nullptr && queue_.size() == 1) {
      if (out_->empty()) connection_->operation()->Start();
      break;
    }
    const std::optional<size_t> index = NextAnswer();
    if (!index.has_value() || !ComposeAnswer(*index)) break;
  }
  if (!connection_->stays() || !outlet_.free()) return;
  if (out_->empty()) {
    out_.reset();
    return;
  }
  outlet_.Send(out_->Seal());
}

// Whether `answer` can be sent now; begins to bring in what is missing.
bool Answering::IsReady(const Answer& answer) {
  if (answer.kind == Answer::Kind::kOperation) return false;
  CachedObject* const object = answer.object.get();
  if (object == nullptr) return true;
  if (object->state() == CachedObject::State::kLoading) return false;
  return answer.kind != Answer::Kind::kObject || object->state() == CachedObject::State::kFailed ||
         body_.IsReady(answer.request, object, loop_->now_ns());
}

bool Answering::NeedsThread(const Answer& answer) const {
  return answer.kind == Answer::Kind::kObject &&
         answer.object->state() == CachedObject::State::kReady &&
         body_.NeedsThread(answer.request, answer.object.get(), loop_->now_ns());
}

std::optional<size_t> Answering::NextAnswer() {
  if (queue_.empty()) return std::nullopt;
  if (!session_->parser.Has(protocol::kOutOfOrderReplies)) {
    return IsReady(queue_[0]) ? std::optional<size_t>(0) : std::nullopt;
  }
  std::optional<size_t> first_ready;
  for (size_t i = 0; i < queue_.size(); ++i) {
    const Answer& answer = queue_[i];
    if ((i > 0 && answer.request.ordered()) || !IsReady(answer)) continue;
    if (answer.request.priority()) return i;
    if (!first_ready.has_value()) first_ready = i;
    if (queue_.priorities() == 0) break;
  }
  return first_ready;
}

// Adds the answer at `index` to what is being gathered. False: gathering must stop here.
bool Answering::ComposeAnswer(size_t index) {
  // What is gathered goes before a splice thread has the socket, and before a message that carries
  // descriptors.
  const bool passes = queue_[index].kind == Answer::Kind::kFd;
  if ((passes || NeedsThread(queue_[index])) && !out_->empty()) return false;
  if (passes) {
    passer_.PassFds(index);
    return false;
  }
  Answer answer = queue_.Take(index);
  if (answer.kind == Answer::Kind::kStat)
    answer = StatAnswer(answer, session_->dialect(), *loop_->options().tree);
  if (answer.kind == Answer::Kind::kText) {
    out_->Text(answer.text);
    out_->EndAnswer(session::ReceiptOf(answer.request, answer.status, answer.bytes));
    return true;
  }
  if (answer.object->state() == CachedObject::State::kFailed) {
    out_->Error(session_->dialect(), answer.request, answer.object->error());
    return true;
  }
  return ComposeObject(std::move(answer));
}

bool Answering::ComposeObject(Answer answer) {
  const int64_t now_ns = loop_->now_ns();
  switch (body_.Compose(session_->dialect(), answer.request, answer.object, out_.get(), now_ns)) {
    case BodySender::Composed::kGathered:
      return true;
    case BodySender::Composed::kEnough:
      return false;
    case BodySender::Composed::kTransfer:
      RunTransfer();
      return false;
    case BodySender::Composed::kMissing:
      queue_.PushFront(std::move(answer));
      // Where one of them is not there, others may not be either: the disk is asked for all at
      // once.
      for (size_t i = 1; i < queue_.size(); ++i) {
        const Answer& next = queue_[i];
        if (next.kind == Answer::Kind::kObject &&
            next.object->state() == CachedObject::State::kReady)
          body_.Foresee(next.request, next.object.get(), now_ns);
      }
      return true;
    case BodySender::Composed::kChanged:
      break;
  }
  // The answer begins anew with what the object is now.
  const ObjectRef old = answer.object;
  loop_->objects()->Forget(old.get());
  absl::StatusOr<ObjectRef> again =
      loop_->objects()->Lookup(old->uri(), now_ns, copypath::WantedBy(answer.request));
  if (!again.ok()) {
    out_->Error(session_->dialect(), answer.request, again.status());
    return true;
  }
  answer.object = *std::move(again);
  if (answer.object->state() == CachedObject::State::kLoading) {
    answer.request.awaited = true;
    answer.object->Await(this);
  }
  queue_.PushFront(std::move(answer));
  return true;
}

// Goes on with the body. False: gathering must stop here, because what is gathered must leave
// before the next part can be looked at, or that has to come from the disk first.
bool Answering::ComposeBody() {
  if (body_.moves() && !out_->empty() && !SendGatheredNow()) return false;
  switch (body_.Continue(out_.get(), loop_->now_ns())) {
    case BodySender::Step::kGathered:
      return true;
    case BodySender::Step::kMoved:
      session_->answered.Add();
      Account(body_.receipt(), session::CountingNowNs());
      connection_->UpdateDeadline(/*progress=*/true);
      return true;
    case BodySender::Step::kStop:
      return false;
    case BodySender::Step::kFull:
      outlet_.AwaitRoom();
      connection_->UpdateDeadline(/*progress=*/body_.moved() > 0);
      return false;
    case BodySender::Step::kBroken:
      LogBroken(*session_, body_.why());
      break;
    case BodySender::Step::kGone:
      break;
  }
  connection_->Abort();
  return false;
}

// Sends what is gathered, header included, by a call of its own, so that the body can follow at
// once. False: it did not all go, and the rest is on its way.
bool Answering::SendGatheredNow() {
  const absl::Span<iovec> pieces = out_->Seal();
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  // MSG_MORE: TCP puts the beginning of the body into the same segment.
  const ssize_t sent =
      sendmsg(connection_->socket(), &message, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    connection_->Abort();
    return false;
  }
  const absl::Span<iovec> rest = out_->Advance(sent < 0 ? 0 : static_cast<size_t>(sent));
  if (rest.empty()) {
    CountGathered(session::CountingNowNs());
    return true;
  }
  outlet_.SendRest(rest);
  return false;
}

void Answering::Say(absl::string_view farewell) {
  out_ = std::make_unique<copypath::Gather>();
  out_->Text(farewell);
  outlet_.Send(out_->Seal());
}

void Answering::SetOutcome(copypath::Outcome outcome) {
  DCHECK_EQ(queue_.size(), 1u);
  if (outcome.kind == copypath::Outcome::Kind::kObject)
    return Enqueue(session::AsObject(queue_.Take(0).request, outcome.answer));
  Answer& answer = queue_[0];
  answer.kind = Answer::Kind::kText;
  answer.text = std::move(outcome.answer);
  answer.status = outcome.status;
  answer.bytes = outcome.bytes;
  // nothing else is gathered or sent now: until CountGathered()
  list_room_ = std::move(outcome.room);
}

void Answering::OnSent(ssize_t result) {
  outlet_.Free();
  if (!connection_->stays()) return;
  if (passer_.busy()) {
    passer_.OnSent(result);
    return;
  }
  if (result < 0 && result != -EAGAIN) {
    if (result == -EFAULT) LogBroken(*session_, "the object was cut");
    connection_->Abort();
    return;
  }
  const size_t sent = result < 0 ? 0 : static_cast<size_t>(result);
  const absl::Span<iovec> rest = out_->Advance(sent);
  if (!rest.empty()) {
    if (sent > 0) connection_->UpdateDeadline(/*progress=*/true);
    outlet_.SendRest(rest);
    return;
  }
  CountGathered(loop_->now_ns());
  if (!connection_->owes()) out_.reset();
  connection_->UpdateDeadline(/*progress=*/true);
  Advance();
}

// What was gathered has gone.
void Answering::CountGathered(int64_t now_ns) {
  session_->answered.Add(out_->answers());
  for (const session::Receipt& receipt : out_->receipts()) Account(receipt, now_ns);
  out_->Clear();
  list_room_ = {};
}

void Answering::Account(const session::Receipt& receipt, int64_t now_ns) {
  session::Account(receipt, now_ns, session_, loop_->tally());
  const uint64_t bulk_bytes_min = loop_->options().bulk_bytes_min;
  if (connection_->unix_socket() || bulk_bytes_min == 0) return;
  // Whether the connection belongs to another loop of the lane by now, to which it then goes as
  // soon as nothing is owed.
  const bool large = receipt.bytes >= bulk_bytes_min;
  if (large == session_->bulk) {
    small_bodies_ = 0;
    return;
  }
  if (!large && ++small_bodies_ < kSmallBodiesMax) return;
  if (!loop_->draining() && connection_->LeaveRestToOthers()) session_->bulk = large;
}

// ---- Splice threads ----

void Answering::RunTransfer() {
  body_.mover().SetBlocking(false);
  outlet_.LendToTransfer();
  loop_->RunTransfer(body_.transfer(),
                     [this](Transfer::Outcome outcome) { OnTransferEnded(outcome); });
}

void Answering::OnTransferEnded(Transfer::Outcome outcome) {
  Transfer* const transfer = body_.transfer();
  outlet_.Free();
  if (!connection_->GoesOn()) return;
  // A receive that was armed anew meanwhile met a non-blocking socket and gave up.
  connection_->ReceiveAgain();
  switch (outcome) {
    case Transfer::Outcome::kDone:
      transfer->object.reset();
      session_->answered.Add();
      Account(transfer->receipt, loop_->now_ns());
      connection_->UpdateDeadline(/*progress=*/true);
      Advance();
      return;
    case Transfer::Outcome::kSocketFull:
      outlet_.AwaitRoom();
      connection_->UpdateDeadline(/*progress=*/true);
      return;
    case Transfer::Outcome::kYield:
      RunTransfer();
      connection_->UpdateDeadline(/*progress=*/true);
      return;
    case Transfer::Outcome::kShrunk:
    case Transfer::Outcome::kFailed:
      LogBroken(*session_,
                absl::StrCat(
                    text::Quoted(transfer->object->uri()), " ",
                    outcome == Transfer::Outcome::kShrunk ? "was cut" : strerror(transfer->error)));
      break;
    case Transfer::Outcome::kGone:
      break;
  }
  connection_->Abort();
}

void Answering::OnWritable() {
  outlet_.Free();
  if (!connection_->stays()) return;
  if (body_.busy()) {
    Advance();
  } else {
    RunTransfer();
  }
}

}  // namespace objmapper::loop
