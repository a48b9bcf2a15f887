// Bodies of objects that are on their way here (storage/tree/filling.h): read as they come, and
// broken off where they do not.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "copypath/body_sender.h"
#include "copypath/checked_read.h"
#include "text/printable.h"

namespace objmapper::copypath {

namespace {

// What is read at once: it stays in memory for as long as the client does not read.
constexpr uint64_t kPieceBytes = 128 * 1024;
// How often an answer begins anew since its object has changed, before that is what is said.
constexpr int kChangesMax = 4;

}  // namespace

using protocol::Request;
using session::Extent;

// Whether the first byte can be sent, or none is to be. Before that the answer may still become an
// error, or another version's, and others may overtake it.
bool BodySender::IsReadyBehind(const Request& request, CachedObject* object) {
  storage::Filling* const filling = object->filling();
  if (filling->ended().has_value() && !filling->passes()) return true;
  Extent first = session::FirstPart(request, object->size());
  if (first.length > 0 && session::IsConditional(request)) {
    // It may be that nothing is wanted of it.
    const session::Reply& reply =
        ReplyTo(request.http != nullptr ? protocol::Dialect::kHttp : protocol::Dialect::kV2,
                request, object);
    first = reply.parts.empty() ? Extent() : reply.parts[0];
  }
  if (first.length == 0 || filling->ReadableFrom(first.offset) > 0) return true;
  if (filling->passes()) return IsReadyThrough(object, first);
  filling->Want(first.offset, first.offset + first.length);
  objects_->AwaitMore(object, first.offset);
  object->Await(waiter_);
  return false;
}

BodySender::Composed BodySender::ComposeBehind(protocol::Dialect dialect, const Request& request,
                                               const ObjectRef& ref, Gather* out) {
  storage::Filling* const filling = ref->filling();
  if (const std::optional<absl::Status> ended = filling->ended();
      ended.has_value() && !ended->ok() && !filling->passes()) {
    // Nothing of this version has been promised: there may be another.
    if (absl::IsAborted(*ended)) return Composed::kChanged;
    out->Error(dialect, request, *ended);
    return Composed::kGathered;
  }
  session::Reply& reply = ReplyTo(dialect, request, ref.get());
  if (filling->passes() && !reply.parts.empty() &&
      filling->ReadableFrom(reply.parts[0].offset) == 0) {
    const Composed composed = ComposeThrough(dialect, request, ref, reply.parts[0], out);
    if (composed != Composed::kGathered || !through_.has_value()) return composed;
  }
  for (const Extent& part : reply.parts) filling->Want(part.offset, part.offset + part.length);
  Begin(request, ref, &reply, out);
  return Composed::kGathered;
}

BodySender::Step BodySender::ContinueBehind(Gather* out, int64_t now_ns) {
  CachedObject* const object = object_.get();
  storage::Filling* const filling = object->filling();
  if (!object->error().ok()) return Break(std::string(object->error().message()));
  if (through_.has_value() && through_->sent) return ContinueThrough(out);
  // Asked first: what is readable once it has ended well is all there will be.
  const std::optional<absl::Status> ended = filling->ended();
  const bool passes = filling->passes();
  if (ended.has_value() && !ended->ok() && !passes) return Break(std::string(ended->message()));
  const uint64_t bytes = std::min({filling->ReadableFrom(at_), end_ - at_, kPieceBytes});
  if (bytes == 0) {
    if (passes) return ContinueThrough(out);
    if (ended.has_value()) return Break(absl::StrCat(text::Quoted(object->uri()), " was cut"));
    objects_->AwaitMore(object, at_);
    object->Await(waiter_);
    return Step::kStop;
  }
  auto piece = std::make_unique_for_overwrite<char[]>(bytes);
  const absl::Status read = ReadAtHand(*object, at_, bytes, piece.get());
  if (absl::IsUnavailable(read)) {
    const size_t last = (at_ + bytes - 1) / kWindowBytes;
    for (size_t index = at_ / kWindowBytes; index <= last; ++index)
      objects_->BringIn(object, index, now_ns);
    object->Await(waiter_);
    return Step::kStop;
  }
  if (!read.ok()) return Break(std::string(read.message()));
  out->Own(std::move(piece), bytes);
  at_ += bytes;
  if (at_ < end_) return Step::kStop;
  if (!NextPart(out)) out->EndAnswer(receipt_);
  return Step::kGathered;
}

// ---- What is not kept here ----

bool BodySender::IsReadyThrough(CachedObject* object, const Extent& extent) {
  // Composing it begins it; one at a time, in the order in which they are answered.
  if (!through_.has_value()) return true;
  const bool its = !through_->sent && through_->object.get() == object &&
                   through_->begin == extent.offset &&
                   through_->end == extent.offset + extent.length;
  if (!its) return false;
  if (!through_->bytes.ok() || (*through_->bytes)->IsReady()) return true;
  objects_->AwaitMore(object, through_->bytes->get());
  object->Await(waiter_);
  return false;
}

BodySender::Composed BodySender::ComposeThrough(protocol::Dialect dialect, const Request& request,
                                                const ObjectRef& ref, const Extent& extent,
                                                Gather* out) {
  const uint64_t end = extent.offset + extent.length;
  if (!through_.has_value()) {
    through_.emplace(
        Through{ObjectRef(ref), extent.offset, end, ref->filling()->PassBy(extent.offset, end)});
  }
  absl::Status status = through_->bytes.status();
  if (status.ok()) {
    storage::PassThrough* const bytes = through_->bytes->get();
    if (!bytes->IsReady()) {
      objects_->AwaitMore(ref.get(), bytes);
      ref->Await(waiter_);
      return Composed::kMissing;
    }
    status = bytes->ended().value_or(absl::OkStatus());
  }
  if (status.ok()) {
    changes_ = 0;
    through_->sent = true;
    return Composed::kGathered;
  }
  through_.reset();
  // Nothing of this version has been promised: there may be another.
  if (absl::IsAborted(status)) {
    if (++changes_ < kChangesMax) return Composed::kChanged;
    status = absl::ResourceExhaustedError(
        absl::StrCat(status.message(), ", ", changes_, " times; try again"));
  }
  changes_ = 0;
  out->Error(dialect, request, status);
  return Composed::kGathered;
}

BodySender::Step BodySender::ContinueThrough(Gather* out) {
  CachedObject* const object = object_.get();
  if (!through_.has_value() || !through_->sent) {
    // What another answer waits for begins anew when it is its turn.
    through_.emplace(Through{ObjectRef(object_), at_, end_, object->filling()->PassBy(at_, end_),
                             /*sent=*/true});
  }
  if (!through_->bytes.ok()) return Break(std::string(through_->bytes.status().message()));
  storage::PassThrough* const bytes = through_->bytes->get();
  // Asked first: then what can be taken is all there will be.
  const std::optional<absl::Status> ended = bytes->ended();
  storage::PassThrough::Piece piece = bytes->Take(std::min(end_ - at_, kPieceBytes));
  if (piece.bytes == 0) {
    if (ended.has_value()) {
      return Break(ended->ok() ? absl::StrCat(text::Quoted(object->uri()), " was cut")
                               : std::string(ended->message()));
    }
    objects_->AwaitMore(object, bytes);
    object->Await(waiter_);
    return Step::kStop;
  }
  out->Own(std::move(piece.data), piece.bytes);
  at_ += piece.bytes;
  if (at_ < end_) return Step::kStop;
  through_.reset();
  if (!NextPart(out)) out->EndAnswer(receipt_);
  return Step::kGathered;
}

}  // namespace objmapper::copypath
