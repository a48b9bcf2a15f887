#include "copypath/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>

#include <glog/logging.h>

#include "copypath/loop.h"
#include "protocol/encode.h"
#include "storage/object_info.h"

namespace objmapper::copypath {
namespace {

using protocol::Mode;
using protocol::Request;
using protocol::Status;
using router::Burst;

// How many requests a client without PIPELINING may have waiting here; it may send more, which stay
// in `unread` and then in its socket.
constexpr size_t kEarlyMax = 64;
// The most requests one burst takes from a client that pipelines. Beyond max_pipeline they are
// refused, which costs little.
constexpr size_t kBurstMax = 4096;
// Above this many unread bytes, nothing more is received.
constexpr size_t kUnreadMax = 16 * 1024;
// One send gathers answers up to about this size, unless one alone is larger.
constexpr size_t kGatherBytes = 256 * 1024;
// The last bytes of a mapped body, which are read and checked before they go.
constexpr uint64_t kHeldBack = 4096;

}  // namespace

Stream::Stream(std::unique_ptr<router::Session> session, Loop* loop)
    : Channel(session->fd(), session->transport == router::Transport::kUnix),
      session_(std::move(session)),
      loop_(loop) {}

Stream::~Stream() {
  const auto forget = [this](CachedObject* object) {
    if (object != nullptr) std::erase(object->waiters(), this);
  };
  for (size_t i = 0; i < queue_.size(); ++i) forget(queue_[i].object.get());
  forget(body_.object.get());
}

void Stream::Start() {
  UpdateDeadline(/*progress=*/true);
  loop_->engine().StartReceiving(this);
  if (session_->unread.empty()) return;
  Intake(session_->unread);
  Advance();
}

void Stream::Drain() {
  if (exit_ == Exit::kStay && !owes()) OnNothingOwed();
}

// ---- Requests in ----

void Stream::OnReceived(absl::string_view bytes, bool fds_refused) {
  absl::string_view input = bytes;
  if (!session_->unread.empty()) {
    session_->unread.append(bytes.data(), bytes.size());
    input = session_->unread;
  }
  if (fds_refused && !session_->fds_at.has_value()) session_->fds_at = input.size() - 1;
  if (exit_ != Exit::kStay || ending_ || intake_paused_ || other_lane_) {
    router::KeepUnread(session_.get(), input, 0);
    if (session_->unread.size() > kUnreadMax && !receiving_paused_ && exit_ == Exit::kStay) {
      receiving_paused_ = true;
      loop_->engine().StopReceiving(this);
    }
    return;
  }
  Intake(input);
  Advance();
}

void Stream::OnReceiveEnd(int error) {
  if (error != 0) {
    Abort();
    return;
  }
  session_->peer_done = true;  // a half-closed client still gets its answers
  if (exit_ == Exit::kStay && !owes()) OnNothingOwed();
}

void Stream::Intake(absl::string_view input) {
  const uint64_t allowance = session_->allowance() - std::min<uint64_t>(session_->allowance(),
                                                                       queue_.size());
  size_t room = kBurstMax;
  if (!session_->parser.Has(protocol::kPipelining)) {
    room = queue_.size() < kEarlyMax ? kEarlyMax - queue_.size() : 0;
  }
  Burst* burst = loop_->burst();
  const size_t outstanding = queue_.size() + (body_.object || transferring_ ? 1 : 0) +
                             (out_ != nullptr ? out_->answers : 0);
  router::TakeBurst(session_.get(), input, router::LaneKind::kCopyPath, outstanding,
                    std::min<uint64_t>(room, allowance), burst);
  for (const Request& request : burst->requests) Enqueue(request);
  router::KeepUnread(session_.get(), input, burst->consumed);
  intake_paused_ = false;
  switch (burst->end) {
    case Burst::End::kNeedMore:
      break;
    case Burst::End::kFull:
      intake_paused_ = true;
      break;
    case Burst::End::kOtherLane:
      other_lane_ = true;
      loop_->engine().StopReceiving(this);
      break;
    case Burst::End::kClose:
      router::AppendCloseAck(session_->dialect(), &farewell_);
      ending_ = true;
      loop_->engine().StopReceiving(this);
      break;
    case Burst::End::kFatal: {
      LOG_EVERY_T(WARNING, 1) << session_->PeerName() << ": " << burst->fatal.reason;
      router::AppendFatal(session_->dialect(), burst->fatal.id, burst->fatal.status,
                          burst->fatal.reason, &farewell_);
      ending_ = true;
      loop_->engine().StopReceiving(this);
      break;
    }
  }
  UpdateDeadline(/*progress=*/!burst->requests.empty());
}

// Takes requests that wait in `unread`. True: some were taken.
bool Stream::ResumeIntake() {
  if (!intake_paused_ || ending_ || other_lane_ || session_->exhausted()) return false;
  const size_t before = queue_.size();
  Intake(session_->unread);
  if (receiving_paused_ && session_->unread.size() <= kUnreadMax) {
    receiving_paused_ = false;
    loop_->engine().StartReceiving(this);
  }
  return queue_.size() > before;
}

void Stream::Enqueue(const Request& request) {
  Answer answer;
  answer.request = request;
  answer.request.uri = {};
  const auto refuse = [&](Status status, absl::string_view message) {
    answer.kind = Answer::Kind::kText;
    router::AppendError(session_->dialect(), request.id, status, message, &answer.text);
    loop_->counters().errors.fetch_add(1, std::memory_order_relaxed);
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
  absl::StatusOr<ObjectRef> object = loop_->Lookup(request.uri);
  if (!object.ok()) {
    refuse(router::WireStatus(object.status()), object.status().message());
  } else {
    answer.kind = Answer::Kind::kObject;
    answer.object = *std::move(object);
    if (answer.object->state() == CachedObject::State::kLoading) {
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
  std::optional<storage::ObjectInfo> info =
      loop_->options().index->Find(request.uri, loop_->now_ns());
  absl::Status error;
  if (!info.has_value()) {
    absl::StatusOr<storage::ObjectInfo> found =
        loop_->options().tree->Stat(request.uri, storage::Wait::kCachedOnly);
    if (found.ok()) {
      info = *found;
      loop_->options().index->Put(request.uri, *found, loop_->now_ns());
    } else {
      error = found.status();
    }
  }
  if (info.has_value()) {
    router::AppendStat(session_->dialect(), request.id,
                       {info->size, info->mtime_ns / 1'000'000'000, storage::Etag(*info)},
                       &answer.text);
    queue_.Push(std::move(answer));
    return;
  }
  if (absl::IsUnavailable(error)) {
    // The disk has to be asked. Opening the object asks it, and answers as well.
    absl::StatusOr<ObjectRef> object = loop_->Lookup(request.uri);
    if (object.ok()) {
      answer.kind = Answer::Kind::kStat;
      answer.object = *std::move(object);
      if (answer.object->state() == CachedObject::State::kLoading) WaitFor(answer.object.get());
      queue_.Push(std::move(answer));
      return;
    }
    error = object.status();
  }
  router::AppendError(session_->dialect(), request.id, router::WireStatus(error), error.message(),
                      &answer.text);
  queue_.Push(std::move(answer));
}

// Begins to bring in what a queued answer will send first, so that the disk works for all of a
// pipeline at once.
void Stream::Prefetch(const Answer& answer) {
  if (answer.kind == Answer::Kind::kObject) IsReady(answer);
}

void Stream::WaitFor(CachedObject* object) {
  std::vector<Stream*>& waiters = object->waiters();
  if (std::find(waiters.begin(), waiters.end(), this) == waiters.end()) waiters.push_back(this);
}

void Stream::OnObjectChanged(CachedObject* object) {
  for (size_t i = 0; i < queue_.size(); ++i) {
    if (queue_[i].object.get() == object) Prefetch(queue_[i]);
  }
  Advance();
}

// ---- Answers out ----

void Stream::Advance() {
  if (exit_ != Exit::kStay || sending_ || transferring_ || awaiting_room_) return;
  Compose();
  if (exit_ != Exit::kStay || sending_ || transferring_) return;
  if (!owes()) OnNothingOwed();
}

// Gathers what can be sent now, and sends it.
void Stream::Compose() {
  if (out_ == nullptr) out_ = std::make_unique<Outgoing>();
  while (out_->pieces.size() + 3 <= kPiecesMax && out_->bytes < kGatherBytes) {
    if (body_.object) {
      if (!ComposeBody()) break;
      continue;
    }
    if (queue_.size() < kEarlyMax / 2 && ResumeIntake()) continue;
    const std::optional<size_t> index = NextAnswer();
    if (!index.has_value() || !ComposeAnswer(*index)) break;
  }
  if (exit_ != Exit::kStay || transferring_) return;
  if (out_->pieces.empty()) {
    out_.reset();
    return;
  }
  Dispatch();
}

// Whether `answer` can be sent now; begins to bring in what is missing.
bool Stream::IsReady(const Answer& answer) {
  CachedObject* object = answer.object.get();
  if (object == nullptr) return true;
  if (object->state() == CachedObject::State::kLoading) return false;
  if (answer.kind != Answer::Kind::kObject || object->state() == CachedObject::State::kFailed ||
      object->small() || GoesToSpliceThread(answer)) {
    return true;
  }
  const std::optional<router::Extent> extent =
      router::ResolveExtent(answer.request, object->size());
  if (!extent.has_value() || extent->length == 0) return true;
  if (!object->error().ok() || !object->Map().ok()) return true;  // the answer will say so
  if (loop_->EnsureResident(object, extent->offset / kWindowBytes) ==
      CachedObject::Residency::kResident) {
    return true;
  }
  WaitFor(object);
  return false;
}

bool Stream::GoesToSpliceThread(const Answer& answer) const {
  return answer.kind == Answer::Kind::kObject && answer.request.mode == Mode::kSplice &&
         answer.object->state() == CachedObject::State::kReady &&
         answer.object->size() >= loop_->options().splice_bytes_min;
}

// The answer that goes next: the oldest, or where the client takes answers out of order the first
// with PRIORITY that is ready, or the first that is ready. An ORDERED one waits for all before it.
std::optional<size_t> Stream::NextAnswer() {
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
  }
  return first_ready;
}

// Adds the answer at `index` to what is being gathered. False: gathering must stop here.
bool Stream::ComposeAnswer(size_t index) {
  // What is gathered goes before a splice thread has the socket.
  if (GoesToSpliceThread(queue_[index]) && !out_->pieces.empty()) return false;
  Answer answer = queue_.Take(index);
  if (answer.kind == Answer::Kind::kText) {
    AppendText(answer.text);
    ++out_->answers;
    return true;
  }
  CachedObject* object = answer.object.get();
  if (answer.kind == Answer::Kind::kStat) {
    // Whatever came of the opening, the kernel's caches know the answer now.
    absl::StatusOr<storage::ObjectInfo> info =
        loop_->options().tree->Stat(object->uri(), storage::Wait::kCachedOnly);
    if (absl::IsUnavailable(info.status()) && object->state() == CachedObject::State::kReady) {
      info = object->info();
    }
    if (info.ok()) {
      std::string text;
      router::AppendStat(session_->dialect(), answer.request.id,
                         {info->size, info->mtime_ns / 1'000'000'000, storage::Etag(*info)}, &text);
      AppendText(text);
    } else {
      AppendError(answer.request, router::WireStatus(info.status()), info.status().message());
    }
    ++out_->answers;
    return true;
  }
  if (object->state() == CachedObject::State::kFailed) {
    AppendError(answer.request, router::WireStatus(object->error()), object->error().message());
    ++out_->answers;
    return true;
  }
  return ComposeObject(std::move(answer));
}

bool Stream::ComposeObject(Answer answer) {
  CachedObject* object = answer.object.get();
  const Request& request = answer.request;
  const std::optional<router::Extent> extent = router::ResolveExtent(request, object->size());
  if (!extent.has_value()) {
    AppendError(request, Status::kRangeNotSatisfiable,
                router::RangeMessage(request, object->size()));
    ++out_->answers;
    return true;
  }
  char header[protocol::kResponseBytesMax];
  const absl::string_view header_bytes(
      header, router::EncodeBodyHeader(session_->dialect(), request, *extent, object->size(), header));

  if (GoesToSpliceThread(answer)) {
    if (transfer_ == nullptr) transfer_ = std::make_unique<Transfer>();
    transfer_->socket = socket();
    transfer_->file = object->fd();
    transfer_->unix_socket = unix_socket();
    transfer_->header.assign(header_bytes.data(), header_bytes.size());
    transfer_->header_sent = 0;
    transfer_->offset = extent->offset;
    transfer_->remaining = extent->length;
    transfer_request_ = request;
    transfer_object_ = std::move(answer.object);
    RunTransfer();
    return false;
  }
  if (object->small()) {
    AppendText(header_bytes);
    if (extent->length > 0) {
      out_->pieces.push_back({object->snapshot() + extent->offset, 0, extent->length});
      out_->bytes += extent->length;
      out_->held.push_back(std::move(answer.object));
    }
    ++out_->answers;
    return true;
  }
  const absl::Status usable = object->error().ok() ? object->Map() : object->error();
  if (!usable.ok()) {
    AppendError(request, router::WireStatus(usable), usable.message());
    ++out_->answers;
    return true;
  }
  AppendText(header_bytes);
  if (extent->length == 0) {
    ++out_->answers;
    return true;
  }
  body_.object = std::move(answer.object);
  body_.at = extent->offset;
  body_.end = extent->offset + extent->length;
  return true;
}

// Adds the next part of the mapped body. False: gathering must stop here, because the part must
// leave before the next can be looked at, or has to come from the disk first.
bool Stream::ComposeBody() {
  CachedObject* object = body_.object.get();
  const size_t index = body_.at / kWindowBytes;
  if (!object->error().ok()) {
    LOG_EVERY_T(WARNING, 1) << session_->PeerName() << ": closed in the middle of a body: "
                            << object->error().message();
    Abort();
    return false;
  }
  if (loop_->EnsureResident(object, index) != CachedObject::Residency::kResident) {
    WaitFor(object);
    return false;
  }
  const uint64_t window_end = object->Window(index).second;
  const uint64_t held_from = body_.end - std::min(body_.end, kHeldBack);
  if (body_.at < held_from) {
    const uint64_t until = std::min(window_end, held_from);
    out_->pieces.push_back({object->map() + body_.at, 0, until - body_.at});
    out_->bytes += until - body_.at;
    out_->held.push_back(body_.object);
    body_.at = until;
    // The disk reads ahead while this is sent.
    if (window_end < body_.end) loop_->EnsureResident(object, index + 1);
    return false;
  }
  // All but the last piece has left: now it counts whether the object is still what was promised.
  const size_t bytes = std::min(window_end, body_.end) - body_.at;
  char piece[kHeldBack];
  const absl::Status read = object->ReadChecked(body_.at, bytes, piece);
  if (absl::IsUnavailable(read)) {
    loop_->BringIn(object, index);
    WaitFor(object);
    return false;
  }
  if (!read.ok()) {
    LOG_EVERY_T(WARNING, 1) << session_->PeerName() << ": closed in the middle of a body: "
                            << read.message();
    Abort();
    return false;
  }
  AppendText(absl::string_view(piece, bytes));
  body_.at += bytes;
  if (body_.at == body_.end) {
    body_.object.reset();
    ++out_->answers;
  }
  return true;
}

void Stream::AppendText(absl::string_view text) {
  std::vector<Piece>& pieces = out_->pieces;
  if (!pieces.empty() && pieces.back().data == nullptr) {
    pieces.back().bytes += text.size();
  } else {
    pieces.push_back({nullptr, out_->text.size(), text.size()});
  }
  out_->text.append(text.data(), text.size());
  out_->bytes += text.size();
}

void Stream::AppendError(const Request& request, Status status, absl::string_view message) {
  std::string text;
  router::AppendError(session_->dialect(), request.id, status, message, &text);
  loop_->counters().errors.fetch_add(1, std::memory_order_relaxed);
  AppendText(text);
}

void Stream::Dispatch() {
  out_->vectors.clear();
  for (const Piece& piece : out_->pieces) {
    const char* data = piece.data != nullptr ? piece.data : out_->text.data() + piece.offset;
    out_->vectors.push_back({const_cast<char*>(data), piece.bytes});
  }
  out_->first = 0;
  sending_ = true;
  loop_->engine().Send(this, absl::MakeSpan(out_->vectors));
}

void Stream::OnSent(ssize_t result) {
  sending_ = false;
  if (exit_ != Exit::kStay) return;
  if (result < 0 && result != -EAGAIN) {
    if (result == -EFAULT) {
      LOG_EVERY_T(WARNING, 1) << session_->PeerName()
                              << ": closed in the middle of a body: the object was cut";
    }
    Abort();
    return;
  }
  size_t sent = result < 0 ? 0 : static_cast<size_t>(result);
  loop_->counters().bytes.fetch_add(sent, std::memory_order_relaxed);
  std::vector<iovec>& vectors = out_->vectors;
  while (out_->first < vectors.size() && sent >= vectors[out_->first].iov_len) {
    sent -= vectors[out_->first].iov_len;
    ++out_->first;
  }
  if (out_->first < vectors.size()) {
    iovec& piece = vectors[out_->first];
    piece.iov_base = static_cast<char*>(piece.iov_base) + sent;
    piece.iov_len -= sent;
    if (result > 0) UpdateDeadline(/*progress=*/true);
    sending_ = true;
    loop_->engine().Send(this, absl::MakeSpan(vectors).subspan(out_->first));
    return;
  }
  session_->answered += out_->answers;
  loop_->counters().requests.fetch_add(out_->answers, std::memory_order_relaxed);
  if (owes()) {
    out_->text.clear();
    out_->pieces.clear();
    out_->held.clear();
    out_->bytes = 0;
    out_->answers = 0;
  } else {
    out_.reset();
  }
  UpdateDeadline(/*progress=*/true);
  Advance();
}

// ---- Splice ----

void Stream::RunTransfer() {
  transferring_ = true;
  loop_->RunTransfer(this, transfer_.get());
}

void Stream::OnTransferEnded(Transfer::Outcome outcome) {
  transferring_ = false;
  if (exit_ != Exit::kStay) {
    transfer_object_.reset();
    loop_->engine().Detach(this);  // Abort() left it to us
    return;
  }
  // A receive that was armed anew meanwhile met a non-blocking socket and gave up.
  if (!receiving_paused_ && !other_lane_ && !ending_) loop_->engine().StartReceiving(this);
  UpdateDeadline(/*progress=*/true);
  switch (outcome) {
    case Transfer::Outcome::kDone:
      transfer_object_.reset();
      ++session_->answered;
      loop_->counters().requests.fetch_add(1, std::memory_order_relaxed);
      Advance();
      return;
    case Transfer::Outcome::kSocketFull:
      awaiting_room_ = true;
      loop_->engine().AwaitWritable(this);
      return;
    case Transfer::Outcome::kYield:
      RunTransfer();
      return;
    case Transfer::Outcome::kShrunk:
    case Transfer::Outcome::kFailed: {
      LOG_EVERY_T(WARNING, 1) << session_->PeerName() << ": closed in the middle of a body: \""
                              << transfer_object_->uri() << "\" "
                              << (outcome == Transfer::Outcome::kShrunk
                                      ? "was cut"
                                      : strerror(transfer_->error));
      Abort();
      return;
    }
    case Transfer::Outcome::kGone:
      Abort();
      return;
  }
}

void Stream::OnWritable() {
  awaiting_room_ = false;
  if (exit_ != Exit::kStay) return;
  RunTransfer();
}

// ---- Time and life ----

void Stream::OnNothingOwed() {
  if (exit_ != Exit::kStay) return;
  if (session_->exhausted() && !ending_) {
    router::AppendClose(session_->dialect(), protocol::CloseReason::kNormal, &farewell_);
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
      router::AppendFatal(session_->dialect(), 0, Status::kProtocolError,
                          "the connection ended in the middle of a request", &farewell);
    }
    End(std::move(farewell));
    return;
  }
  if (loop_->draining()) {
    std::string farewell;
    router::AppendClose(session_->dialect(), protocol::CloseReason::kShuttingDown, &farewell);
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
  out_ = std::make_unique<Outgoing>();
  AppendText(farewell);
  Dispatch();  // OnSent() comes back to OnNothingOwed(), which finds nothing more to say
}

void Stream::Leave(Exit exit) {
  DCHECK(!sending_ && !transferring_);
  exit_ = exit;
  loop_->StopDeadline(this);
  loop_->engine().Detach(this);
}

void Stream::Abort() {
  if (exit_ != Exit::kStay) return;
  exit_ = Exit::kDrop;
  loop_->StopDeadline(this);
  // Ends sends and transfers in flight.
  shutdown(socket(), SHUT_RDWR);
  if (!transferring_) loop_->engine().Detach(this);
}

void Stream::OnDetached() {
  std::unique_ptr<router::Session> session = std::move(session_);
  router::Switchboard* switchboard = loop_->options().switchboard;
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
  if (!idle && owes() && !stalled_reader) {
    UpdateDeadline(/*progress=*/true);  // it waits for us or the disk, not we for it
    return;
  }
  loop_->options().connections->timed_out.fetch_add(1, std::memory_order_relaxed);
  if (stalled_reader) {
    LOG_EVERY_T(WARNING, 1) << session_->PeerName()
                            << ": closed, it did not read its answers in time";
    Abort();
    return;
  }
  std::string farewell;
  if (idle) {
    router::AppendClose(session_->dialect(), protocol::CloseReason::kIdleTimeout, &farewell);
  } else {
    LOG_EVERY_T(WARNING, 1) << session_->PeerName()
                            << ": closed, the rest of its request did not arrive in time";
    router::AppendFatal(session_->dialect(), 0, Status::kTimeout,
                        "the rest of the request did not arrive in time", &farewell);
  }
  End(std::move(farewell));
}

}  // namespace objmapper::copypath
