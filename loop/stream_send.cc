// The sending half of Stream: which answer goes next, from where, and on what.
#include <errno.h>
#include <glog/logging.h>
#include <string.h>

#include <algorithm>

#include "loop/loop.h"
#include "loop/stream.h"
#include "protocol/objm/encode.h"
#include "session/account.h"
#include "storage/tree/description.h"
#include "storage/tree/tree.h"
#include "text/printable.h"

namespace objmapper::loop {
namespace {

using protocol::Mode;
using protocol::Request;
using protocol::Status;

// One send gathers answers up to about this size, unless one alone is larger.
constexpr size_t kGatherBytes = 256 * 1024;
// The last bytes of a mapped body, which are read and checked before they go.
constexpr uint64_t kHeldBack = 4096;

}  // namespace

void Stream::Advance() {
  if (exit_ != Exit::kStay || sending_ || transferring_ || awaiting_room_) return;
  Compose();
  if (exit_ != Exit::kStay || sending_ || transferring_ || awaiting_room_) return;
  if (!owes()) OnNothingOwed();
}

// Gathers what can be sent now, and sends it.
void Stream::Compose() {
  if (out_ == nullptr) out_ = std::make_unique<copypath::Gather>();
  while (out_->piece_count() + 3 <= kPiecesMax && out_->bytes() < kGatherBytes) {
    if (body_.object) {
      if (!ComposeBody()) break;
      continue;
    }
    if (ResumeIntake()) continue;
    if (StartOperation()) break;
    const std::optional<size_t> index = NextAnswer();
    if (!index.has_value() || !ComposeAnswer(*index)) break;
  }
  if (exit_ != Exit::kStay || transferring_ || sending_ || awaiting_room_) return;
  if (out_->empty()) {
    out_.reset();
    return;
  }
  Send();
}

// Whether `answer` can be sent now; begins to bring in what is missing.
bool Stream::IsReady(const Answer& answer) {
  if (answer.kind == Answer::Kind::kOperation) return false;
  copypath::CachedObject* object = answer.object.get();
  if (object == nullptr) return true;
  if (object->state() == copypath::CachedObject::State::kLoading) return false;
  if (answer.kind != Answer::Kind::kObject ||
      object->state() == copypath::CachedObject::State::kFailed || object->small() ||
      GoesToSpliceThread(answer)) {
    return true;
  }
  const std::optional<session::Extent> extent =
      session::ResolveExtent(answer.request, object->size());
  if (!extent.has_value() || extent->length == 0) return true;
  if (IsRead(answer.request.mode, *extent)) {
    // Reading it tells; but what is on its way is waited for.
    if (!IsComing(object, *extent)) return true;
    WaitFor(object);
    return false;
  }
  if (!object->error().ok() || !object->Map().ok()) return true;  // the answer will say so
  if (loop_->EnsureResident(object, extent->offset / copypath::kWindowBytes) ==
      copypath::CachedObject::Residency::kResident) {
    return true;
  }
  WaitFor(object);
  return false;
}

// Whether this much of an object is sent from a copy that is made for it.
bool Stream::IsRead(Mode mode, const session::Extent& extent) {
  return extent.length > 0 && extent.length <= copypath::kPartBytesMax &&
         !GoesInKernel(mode, extent.length);
}

// Whether the disk is being asked for some of it. A part has two windows at most.
bool Stream::IsComing(copypath::CachedObject* object, const session::Extent& extent) const {
  return object->IsComing(extent.offset / copypath::kWindowBytes) ||
         object->IsComing((extent.offset + extent.length - 1) / copypath::kWindowBytes);
}

// OP_SPLICE is for the splice threads where it would wait for the disk. What is in the page cache
// the loop moves itself: the two wake-ups of a hand-over cost more than moving 100 KB.
bool Stream::GoesToSpliceThread(const Answer& answer) const {
  const LoopOptions& options = loop_->options();
  copypath::CachedObject* object = answer.object.get();
  if (answer.kind != Answer::Kind::kObject ||
      object->state() != copypath::CachedObject::State::kReady) {
    return false;
  }
  if (answer.request.mode == Mode::kCopy) return !options.async_copy && !object->small();
  if (object->size() < options.splice_bytes_min) return false;
  if (!options.splice_in_loop) return true;
  const std::optional<session::Extent> extent =
      session::ResolveExtent(answer.request, object->size());
  if (!extent.has_value() || extent->length == 0) return false;
  return object->small() || !object->Map().ok() ||
         object->ResidencyOf(extent->offset / copypath::kWindowBytes, loop_->now_ns()) !=
             copypath::CachedObject::Residency::kResident;
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
    if (queue_.priorities() == 0) break;
  }
  return first_ready;
}

// Adds the answer at `index` to what is being gathered. False: gathering must stop here.
bool Stream::ComposeAnswer(size_t index) {
  // What is gathered goes before a splice thread has the socket, and before a message that carries
  // descriptors.
  const bool alone = queue_[index].kind == Answer::Kind::kFd || GoesToSpliceThread(queue_[index]);
  if (alone && !out_->empty()) return false;
  if (queue_[index].kind == Answer::Kind::kFd) {
    PassFds(index);
    return false;
  }
  Answer answer = queue_.Take(index);
  if (answer.kind == Answer::Kind::kText) {
    out_->Text(answer.text);
    out_->EndAnswer(session::ReceiptOf(answer.request, answer.status, answer.bytes));
    return true;
  }
  copypath::CachedObject* object = answer.object.get();
  if (answer.kind == Answer::Kind::kStat) {
    // Whatever came of the opening, the kernel's caches know the answer now.
    absl::StatusOr<storage::Description> found =
        loop_->options().tree->Describe(object->uri(), storage::Wait::kCachedOnly);
    if (absl::IsUnavailable(found.status())) {
      // Some walks can never be done from the caches alone (RESOLVE_CACHED gives up at symbolic
      // links with ".."): then it is the opening that knows.
      if (object->state() == copypath::CachedObject::State::kReady) {
        // What is in memory has been found without it.
        found = storage::Describe(object->fd(), object->info(), storage::Tier::kDisk);
      } else {
        found = object->error();
      }
    }
    if (!found.ok()) {
      return SayError(answer.request, session::WireStatus(found.status()),
                      found.status().message());
    }
    std::string text;
    session::AppendStatOf(session_->dialect(), answer.request.id, *found, &text);
    out_->Text(text);
    out_->EndAnswer(session::ReceiptOf(answer.request, Status::kOk));
    return true;
  }
  if (object->state() == copypath::CachedObject::State::kFailed) {
    return SayError(answer.request, session::WireStatus(object->error()),
                    object->error().message());
  }
  return ComposeObject(std::move(answer));
}

bool Stream::ComposeObject(Answer answer) {
  copypath::CachedObject* object = answer.object.get();
  const Request& request = answer.request;
  const std::optional<session::Extent> extent = session::ResolveExtent(request, object->size());
  const bool read = !object->small() && extent.has_value() && IsRead(request.mode, *extent) &&
                    !GoesToSpliceThread(answer);
  if (!object->small() && !read && object->checked_ns() != loop_->now_ns()) {
    // It may have been changed in place since it was cached. Better to find out now, and serve what
    // it is now, than in the middle of the body.
    const absl::StatusOr<storage::ObjectInfo> info = storage::InfoOf(object->fd(), object->uri());
    if (info.ok() && *info != object->info()) return LookUpAgain(std::move(answer));
  }
  if (read) return ComposePart(std::move(answer), *extent);
  if (!extent.has_value()) {
    return SayError(request, Status::kRangeNotSatisfiable,
                    session::RangeMessage(request, object->size()));
  }
  char header[protocol::kResponseBytesMax];
  const absl::string_view header_bytes(
      header,
      session::EncodeBodyHeader(session_->dialect(), request, *extent, object->size(), header));

  const session::Receipt receipt = session::ReceiptOf(request, Status::kOk, extent->length);
  if (GoesToSpliceThread(answer)) {
    if (transfer_ == nullptr) transfer_ = std::make_unique<copypath::Transfer>();
    transfer_->socket = socket();
    transfer_->file = object->fd();
    transfer_->unix_socket = unix_socket();
    transfer_->header.assign(header_bytes.data(), header_bytes.size());
    transfer_->header_sent = 0;
    transfer_->offset = extent->offset;
    transfer_->remaining = extent->length;
    transfer_receipt_ = receipt;
    transfer_object_ = std::move(answer.object);
    RunTransfer();
    return false;
  }
  if (object->small()) {
    out_->Text(header_bytes);
    if (extent->length > 0) {
      out_->Bytes(answer.object, object->snapshot() + extent->offset, extent->length);
    }
    out_->EndAnswer(receipt);
    return true;
  }
  const absl::Status usable = object->error().ok() ? object->Map() : object->error();
  if (!usable.ok()) {
    return SayError(request, session::WireStatus(usable), usable.message());
  }
  out_->Text(header_bytes);
  if (extent->length == 0) {
    out_->EndAnswer(receipt);
    return true;
  }
  body_.object = std::move(answer.object);
  body_.at = extent->offset;
  body_.end = extent->offset + extent->length;
  body_.in_kernel = body_.object->map() == nullptr || GoesInKernel(request.mode, extent->length);
  body_.begun = false;
  body_.receipt = receipt;
  return true;
}

// The object has changed since it was found: the answer begins anew with what it is now.
bool Stream::LookUpAgain(Answer answer) {
  const copypath::ObjectRef old = answer.object;
  loop_->Forget(old.get());
  absl::StatusOr<copypath::ObjectRef> again = loop_->Lookup(old->uri());
  if (!again.ok()) {
    return SayError(answer.request, session::WireStatus(again.status()), again.status().message());
  }
  answer.object = *std::move(again);
  if (answer.object->state() == copypath::CachedObject::State::kLoading)
    WaitFor(answer.object.get());
  queue_.PushFront(std::move(answer));
  return true;
}

// Adds a short part of a large object, which is read here and now: in the page cache it is one
// call, and what is not there is brought in first.
bool Stream::ComposePart(Answer answer, const session::Extent& extent) {
  copypath::CachedObject* object = answer.object.get();
  const Request& request = answer.request;
  auto bytes = std::make_unique_for_overwrite<char[]>(extent.length);
  const bool seen_now = object->checked_ns() == loop_->now_ns();
  absl::Status read = object->error().ok() ? object->Read(extent.offset, extent.length, bytes.get())
                                           : object->error();
  if (absl::IsUnavailable(read)) {
    BringIn(object, extent);
    queue_.PushFront(std::move(answer));
    // Where one of them is not there, others may not be either: the disk is asked for all at once.
    for (size_t i = 1; i < queue_.size(); ++i) Foresee(queue_[i]);
    return true;
  }
  if (read.ok()) {
    const absl::StatusOr<storage::ObjectInfo> after = storage::InfoOf(object->fd(), object->uri());
    if (!after.ok()) {
      read = after.status();
    } else if (*after != object->info()) {
      if (!seen_now) return LookUpAgain(std::move(answer));
      read = object->CheckUnchanged();  // it may have been appended to
    }
  } else if (absl::IsAborted(read) && !seen_now) {
    return LookUpAgain(std::move(answer));
  }
  if (absl::IsAborted(read)) {
    read = absl::ResourceExhaustedError(
        absl::StrCat(text::Quoted(object->uri()), " is being changed; try again"));
  }
  if (!read.ok()) return SayError(request, session::WireStatus(read), read.message());
  char header[protocol::kResponseBytesMax];
  out_->Text({header, session::EncodeBodyHeader(session_->dialect(), request, extent,
                                                object->size(), header)});
  out_->Own(std::move(bytes), extent.length);
  out_->EndAnswer(session::ReceiptOf(request, Status::kOk, extent.length));
  // These copies are this connection's own, and stay for as long as its client does not read.
  return out_->owned_bytes() < copypath::kPartBytesMax;
}

// Has what is not in the page cache of a short part brought there.
void Stream::BringIn(copypath::CachedObject* object, const session::Extent& extent) {
  const size_t first = extent.offset / copypath::kWindowBytes;
  const size_t last = (extent.offset + extent.length - 1) / copypath::kWindowBytes;
  for (size_t index = first; index <= last; ++index) loop_->BringIn(object, index);
  WaitFor(object);
}

// Begins to bring in a short part that a queued answer will send, if it is not there.
void Stream::Foresee(const Answer& answer) {
  copypath::CachedObject* object = answer.object.get();
  if (answer.kind != Answer::Kind::kObject ||
      object->state() != copypath::CachedObject::State::kReady || object->small() ||
      GoesToSpliceThread(answer)) {
    return;
  }
  const std::optional<session::Extent> extent =
      session::ResolveExtent(answer.request, object->size());
  if (!extent.has_value() || !IsRead(answer.request.mode, *extent)) return;
  if (!object->error().ok() || !object->Map().ok()) return;
  const size_t index = extent->offset / copypath::kWindowBytes;
  if (object->ResidencyOf(index, loop_->now_ns()) == copypath::CachedObject::Residency::kUnknown) {
    loop_->BringIn(object, index);
  }
}

// Adds the next part of the mapped body. False: gathering must stop here, because the part must
// leave before the next can be looked at, or has to come from the disk first.
bool Stream::ComposeBody() {
  copypath::CachedObject* object = body_.object.get();
  if (body_.in_kernel) {
    if (!out_->empty() && !SendGatheredNow()) return false;
    return MoveBody();
  }
  const size_t index = body_.at / copypath::kWindowBytes;
  if (!object->error().ok()) {
    LOG_EVERY_T(WARNING, 1) << session_->PeerName()
                            << ": closed in the middle of a body: " << object->error().message();
    Abort();
    return false;
  }
  if (loop_->EnsureResident(object, index) != copypath::CachedObject::Residency::kResident) {
    WaitFor(object);
    return false;
  }
  const uint64_t window_end = object->Window(index).second;
  const uint64_t held_from = body_.end - std::min(body_.end, kHeldBack);
  if (body_.at < held_from) {
    const uint64_t until = std::min(window_end, held_from);
    out_->Bytes(body_.object, object->map() + body_.at, until - body_.at);
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
    LOG_EVERY_T(WARNING, 1) << session_->PeerName()
                            << ": closed in the middle of a body: " << read.message();
    Abort();
    return false;
  }
  out_->Text(absl::string_view(piece, bytes));
  body_.at += bytes;
  if (body_.at == body_.end) {
    body_.object.reset();
    out_->EndAnswer(body_.receipt);
  }
  return true;
}

bool Stream::SayError(const Request& request, Status status, absl::string_view message) {
  std::string text;
  session::AppendError(session_->dialect(), request.id, status, message, &text);
  out_->Text(text);
  out_->EndAnswer(session::ReceiptOf(request, status));
  return true;
}

void Stream::Send() {
  sending_ = true;
  unsent_.Forget();  // most go at once: to watch each would be a call more for each
  loop_->engine().Send(this, out_->Seal());
}

// What the socket had no room for.
void Stream::SendRest(absl::Span<iovec> rest) {
  sending_ = true;
  unsent_.Watch(socket());
  loop_->engine().Send(this, rest);
}

void Stream::OnSent(ssize_t result) {
  sending_ = false;
  if (exit_ != Exit::kStay) return;
  if (passing_ != nullptr) {
    OnMessageSent(result);
    return;
  }
  if (result < 0 && result != -EAGAIN) {
    if (result == -EFAULT) {
      LOG_EVERY_T(WARNING, 1) << session_->PeerName()
                              << ": closed in the middle of a body: the object was cut";
    }
    Abort();
    return;
  }
  const size_t sent = result < 0 ? 0 : static_cast<size_t>(result);
  const absl::Span<iovec> rest = out_->Advance(sent);
  if (!rest.empty()) {
    if (sent > 0) UpdateDeadline(/*progress=*/true);
    SendRest(rest);
    return;
  }
  CountGathered(loop_->now_ns());
  if (!owes()) out_.reset();
  UpdateDeadline(/*progress=*/true);
  Advance();
}

// What was gathered has gone.
void Stream::CountGathered(int64_t now_ns) {
  session_->answered.Add(out_->answers());
  for (const session::Receipt& receipt : out_->receipts()) Account(receipt, now_ns);
  out_->Clear();
  list_room_ = {};
}

void Stream::Account(const session::Receipt& receipt, int64_t now_ns) {
  session::Account(receipt, now_ns, session_.get(), loop_->tally());
  if (!unix_socket() && loop_->options().bulk_bytes_min != 0) FindLoop(receipt.bytes);
}

// After a body: whether the connection belongs to another loop of the lane, to which it then goes
// as soon as nothing is owed.
void Stream::FindLoop(uint64_t body_bytes) {
  const bool large = body_bytes >= loop_->options().bulk_bytes_min;
  if (large == session_->bulk) {
    small_bodies_ = 0;
    return;
  }
  if (!large && ++small_bodies_ < kSmallBodiesMax) return;
  if (!loop_->draining() && LeaveRestToOthers()) session_->bulk = large;
}

// ---- Splice ----

void Stream::RunTransfer() {
  SetBlocking(false);
  transferring_ = true;
  loop_->RunTransfer(this, transfer_.get());
}

void Stream::OnTransferEnded(copypath::Transfer::Outcome outcome) {
  transferring_ = false;
  if (exit_ != Exit::kStay) {
    transfer_object_.reset();
    loop_->engine().Detach(this);  // Abort() left it to us
    return;
  }
  // A receive that was armed anew meanwhile met a non-blocking socket and gave up.
  if (MayReceive()) loop_->engine().StartReceiving(this);
  switch (outcome) {
    case copypath::Transfer::Outcome::kDone:
      transfer_object_.reset();
      session_->answered.Add();
      Account(transfer_receipt_, loop_->now_ns());
      UpdateDeadline(/*progress=*/true);
      Advance();
      return;
    case copypath::Transfer::Outcome::kSocketFull:
      AwaitRoom();
      UpdateDeadline(/*progress=*/true);
      return;
    case copypath::Transfer::Outcome::kYield:
      RunTransfer();
      UpdateDeadline(/*progress=*/true);
      return;
    case copypath::Transfer::Outcome::kShrunk:
    case copypath::Transfer::Outcome::kFailed: {
      LOG_EVERY_T(WARNING, 1) << session_->PeerName() << ": closed in the middle of a body: "
                              << text::Quoted(transfer_object_->uri()) << " "
                              << (outcome == copypath::Transfer::Outcome::kShrunk
                                      ? "was cut"
                                      : strerror(transfer_->error));
      Abort();
      return;
    }
    case copypath::Transfer::Outcome::kGone:
      Abort();
      return;
  }
}

void Stream::AwaitRoom() {
  awaiting_room_ = true;
  unsent_.Watch(socket());
  loop_->engine().AwaitWritable(this);
}

void Stream::OnWritable() {
  awaiting_room_ = false;
  if (exit_ != Exit::kStay) return;
  if (body_.object) {
    Advance();
  } else {
    RunTransfer();
  }
}

}  // namespace objmapper::loop
