// Which way the bytes of an object go, and the steps of that way. Nothing here waits: what is not
// in the page cache is asked for, and the waiter told.
#include "copypath/body_sender.h"

#include <errno.h>
#include <string.h>

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "copypath/checked_read.h"
#include "storage/tree/object_info.h"
#include "text/printable.h"

namespace objmapper::copypath {
namespace {

using protocol::Mode;
using protocol::Request;
using protocol::Status;
using session::Extent;

// The last bytes of a mapped body, which are read and checked before they go.
constexpr uint64_t kHeldBack = 4096;

size_t FirstWindow(const Extent& extent) { return extent.offset / kWindowBytes; }
size_t LastWindow(const Extent& extent) {
  return (extent.offset + extent.length - 1) / kWindowBytes;
}

}  // namespace

session::Reply& BodySender::ReplyTo(protocol::Dialect dialect, const Request& request,
                                    CachedObject* object) const {
  thread_local session::Reply reply;
  const absl::string_view etag =
      session::NeedsEtag(request) ? absl::string_view(object->etag()) : absl::string_view();
  session::MakeReply(dialect, request,
                     {object->size(), object->info().mtime_s, etag, /*backend=*/0,
                      object->info().expires_s, object->uri(), objects_->CachedOf(request, object)},
                     &reply);
  return reply;
}

bool BodySender::IsReady(const Request& request, CachedObject* object, int64_t now_ns) {
  if (object->filling() != nullptr) return IsReadyBehind(request, object);
  if (object->small() || NeedsThread(request, object, now_ns)) return true;
  const Extent extent = session::FirstPart(request, object->size());
  if (extent.length == 0) return true;
  if (IsRead(request, extent)) {
    // Reading it tells; but what is on its way is waited for. A part has two windows at most.
    if (!object->windows().IsComing(FirstWindow(extent)) &&
        !object->windows().IsComing(LastWindow(extent)))
      return true;
  } else {
    if (!object->error().ok() || !object->Map().ok()) return true;  // the answer will say so
    if (objects_->EnsureResident(object, FirstWindow(extent), now_ns) == Residency::kResident) {
      return true;
    }
  }
  object->Await(waiter_);
  return false;
}

bool BodySender::IsRead(const Request& request, const Extent& extent) {
  // What a condition of HTTP's comes to, or several ranges, is known when the answer is made.
  return extent.length > 0 && extent.length <= kPartBytesMax && !session::IsConditional(request) &&
         !mover_.Suits(extent.length, /*always=*/request.mode == Mode::kSplice);
}

bool BodySender::NeedsThread(const Request& request, CachedObject* object, int64_t now_ns) const {
  if (object->filling() != nullptr) return false;
  if (request.mode == Mode::kCopy)
    return !options_.async_copy && !object->small() && !session::IsConditional(request);
  if (object->size() < options_.splice_bytes_min) return false;
  if (!options_.splice_in_loop) return true;
  const Extent extent = session::FirstPart(request, object->size());
  if (extent.length == 0) return false;
  return object->small() || !object->Map().ok() ||
         object->windows().Of(FirstWindow(extent), now_ns) != Residency::kResident;
}

void BodySender::Foresee(const Request& request, CachedObject* object, int64_t now_ns) {
  if (object->filling() != nullptr || object->small() || NeedsThread(request, object, now_ns))
    return;
  const Extent extent = session::FirstPart(request, object->size());
  if (!IsRead(request, extent)) return;
  if (!object->error().ok() || !object->Map().ok()) return;
  objects_->EnsureResident(object, FirstWindow(extent), now_ns);
}

BodySender::Composed BodySender::Compose(protocol::Dialect dialect, const Request& request,
                                         const ObjectRef& ref, Gather* out, int64_t now_ns) {
  CachedObject* const object = ref.get();
  if (object->filling() != nullptr) return ComposeBehind(dialect, request, ref, out);
  const Extent first = session::FirstPart(request, object->size());
  const bool by_thread = NeedsThread(request, object, now_ns) && first.length > 0;
  const bool read = !object->small() && IsRead(request, first) && !by_thread;
  if (!object->small() && !read && object->checked_ns() != now_ns) {
    // It may have been changed in place since it was cached. Better to find out now, and serve what
    // it is now, than in the middle of the body.
    const absl::StatusOr<storage::ObjectInfo> info = storage::InfoOf(object->fd(), object->uri());
    if (info.ok() && *info != object->info()) return Composed::kChanged;
  }
  if (read) return ComposePart(dialect, request, ref, first, out, now_ns);
  session::Reply& reply = ReplyTo(dialect, request, object);
  const session::Receipt receipt = session::ReceiptOf(request, reply.status, reply.bytes());
  if (by_thread && !reply.parts.empty()) {
    if (transfer_ == nullptr) transfer_ = std::make_unique<Transfer>();
    transfer_->socket = socket_;
    transfer_->file = object->fd();
    transfer_->unix_socket = unix_socket_;
    transfer_->header = reply.head;
    transfer_->header_sent = 0;
    transfer_->offset = first.offset;
    transfer_->remaining = first.length;
    transfer_->receipt = receipt;
    transfer_->object = ObjectRef(ref);
    return Composed::kTransfer;
  }
  if (!object->small() && !reply.parts.empty()) {
    const absl::Status usable = object->error().ok() ? object->Map() : object->error();
    if (!usable.ok()) {
      out->Error(dialect, request, usable);
      return Composed::kGathered;
    }
  }
  if (object->small()) {
    out->Text(reply.head);
    for (size_t i = 0; i < reply.parts.size(); ++i) {
      out->Bytes(ref, object->snapshot() + reply.parts[i].offset, reply.parts[i].length);
      if (!reply.behind.empty()) out->Text(reply.behind[i]);
    }
    out->EndAnswer(receipt);
    return Composed::kGathered;
  }
  Begin(request, ref, &reply, out);
  return Composed::kGathered;
}

void BodySender::Begin(const Request& request, const ObjectRef& ref, session::Reply* reply,
                       Gather* out) {
  out->Text(reply->head);
  receipt_ = session::ReceiptOf(request, reply->status, reply->bytes());
  if (reply->parts.empty()) return out->EndAnswer(receipt_);
  object_ = ObjectRef(ref);
  parts_ = reply->parts;
  behind_ = std::move(reply->behind);
  part_ = 0;
  splice_ = request.mode == Mode::kSplice;
  BeginPart();
}

void BodySender::BeginPart() {
  at_ = parts_[part_].offset;
  end_ = at_ + parts_[part_].length;
  in_kernel_ = object_->filling() == nullptr &&
               (object_->map() == nullptr || mover_.Suits(parts_[part_].length, splice_));
  begun_ = false;
}

bool BodySender::NextPart(Gather* out) {
  if (!behind_.empty()) out->Text(behind_[part_]);
  if (++part_ < parts_.size()) {
    BeginPart();
    return true;
  }
  object_.reset();
  return false;
}

// A short part of a large object, which is read here and now: in the page cache it is one call, and
// what is not there is brought in first.
BodySender::Composed BodySender::ComposePart(protocol::Dialect dialect, const Request& request,
                                             const ObjectRef& ref, const Extent& extent,
                                             Gather* out, int64_t now_ns) {
  CachedObject* const object = ref.get();
  auto bytes = std::make_unique_for_overwrite<char[]>(extent.length);
  const bool seen_now = object->checked_ns() == now_ns;
  absl::Status read = object->error().ok()
                          ? ReadAtHand(*object, extent.offset, extent.length, bytes.get())
                          : object->error();
  if (absl::IsUnavailable(read)) {
    for (size_t index = FirstWindow(extent); index <= LastWindow(extent); ++index)
      objects_->BringIn(object, index, now_ns);
    object->Await(waiter_);
    return Composed::kMissing;
  }
  if (read.ok()) {
    const absl::StatusOr<storage::ObjectInfo> after = storage::InfoOf(object->fd(), object->uri());
    if (!after.ok()) {
      read = after.status();
    } else if (*after != object->info()) {
      if (!seen_now) return Composed::kChanged;
      read = CheckUnchanged(*object);  // it may have been appended to
    }
  } else if (absl::IsAborted(read) && !seen_now) {
    return Composed::kChanged;
  }
  if (absl::IsAborted(read)) {
    read = absl::ResourceExhaustedError(
        absl::StrCat(text::Quoted(object->uri()), " is being changed; try again"));
  }
  if (!read.ok()) {
    out->Error(dialect, request, read);
    return Composed::kGathered;
  }
  out->Text(ReplyTo(dialect, request, object).head);
  out->Own(std::move(bytes), extent.length);
  out->EndAnswer(session::ReceiptOf(request, Status::kOk, extent.length));
  // These copies are this connection's own, and stay for as long as its client does not read.
  return out->owned_bytes() < kPartBytesMax ? Composed::kGathered : Composed::kEnough;
}

BodySender::Step BodySender::Break(std::string why) {
  why_ = std::move(why);
  return Step::kBroken;
}

BodySender::Step BodySender::Continue(Gather* out, int64_t now_ns) {
  if (in_kernel_) return Move(out, now_ns);
  if (object_->filling() != nullptr) return ContinueBehind(out, now_ns);
  CachedObject* const object = object_.get();
  const size_t index = at_ / kWindowBytes;
  if (!object->error().ok()) return Break(std::string(object->error().message()));
  if (objects_->EnsureResident(object, index, now_ns) != Residency::kResident) {
    object->Await(waiter_);
    return Step::kStop;
  }
  const uint64_t window_end = WindowOf(object->size(), index).second;
  const uint64_t held_from = end_ - std::min(end_, kHeldBack);
  if (at_ < held_from) {
    const uint64_t until = std::min(window_end, held_from);
    out->Bytes(object_, object->map() + at_, until - at_);
    at_ = until;
    // The disk reads ahead while this is sent.
    if (window_end < end_) objects_->EnsureResident(object, index + 1, now_ns);
    return Step::kStop;
  }
  // All but the last piece has left: now it counts whether the object is still what was promised.
  const size_t bytes = std::min(window_end, end_) - at_;
  char piece[kHeldBack];
  const absl::Status read = ReadChecked(*object, at_, bytes, piece);
  if (absl::IsUnavailable(read)) {
    objects_->BringIn(object, index, now_ns);
    object->Await(waiter_);
    return Step::kStop;
  }
  if (!read.ok()) return Break(std::string(read.message()));
  out->Text(absl::string_view(piece, bytes));
  at_ += bytes;
  if (at_ == end_ && !NextPart(out)) out->EndAnswer(receipt_);
  return Step::kGathered;
}

BodySender::Step BodySender::Move(Gather* out, int64_t now_ns) {
  CachedObject* const object = object_.get();
  moved_ = 0;
  if (std::exchange(begun_, true)) {
    // Time has passed since the answer was composed.
    const absl::Status unchanged = CheckUnchanged(*object);
    if (!unchanged.ok()) return Break(std::string(unchanged.message()));
  }
  const uint64_t turn_bytes = mover_.turn_bytes();
  while (at_ < end_) {
    if (!object->error().ok()) return Break(std::string(object->error().message()));
    const size_t index = at_ / kWindowBytes;
    if (objects_->EnsureResident(object, index, now_ns) != Residency::kResident) {
      object->Await(waiter_);
      return Step::kStop;
    }
    const uint64_t until = std::min(WindowOf(object->size(), index).second, end_);
    // The disk reads ahead.
    if (until < end_) objects_->EnsureResident(object, index + 1, now_ns);
    const uint64_t bytes = std::min(until - at_, turn_bytes - moved_);
    const ssize_t sent = bytes == 0 ? -EAGAIN : mover_.Move(object->fd(), at_, bytes, end_);
    if (sent > 0) {
      moved_ += static_cast<uint64_t>(sent);
      at_ += static_cast<uint64_t>(sent);
      continue;
    }
    if (sent == -EAGAIN) return Step::kFull;
    if (sent == -EPIPE || sent == -ECONNRESET) return Step::kGone;
    return Break(sent == 0 ? absl::StrCat(text::Quoted(object->uri()), " was cut")
                           : absl::StrCat(text::Quoted(object->uri()), ": ",
                                          strerror(static_cast<int>(-sent))));
  }
  if (NextPart(out)) return Step::kGathered;
  if (behind_.empty()) return Step::kMoved;
  out->EndAnswer(receipt_);
  return Step::kGathered;
}

}  // namespace objmapper::copypath
