// Pages of names in, pieces of text out.
#include "copypath/folder_listing.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "copypath/may_read.h"
#include "session/caller.h"
#include "text/printable.h"

namespace objmapper::copypath {
namespace {

// Together: the more names there are in a page, the less often the folder is read.
constexpr size_t kRoomBytes = 1024 * 1024;
// Of text.
constexpr size_t kPieceBytesMax = 128 * 1024;

// Of the room, what a piece of text has.
size_t PieceBytes(const storage::ListRoom::Lease& room) {
  return std::min(room.bytes() / 2, kPieceBytesMax);
}

}  // namespace

FolderListing::FolderListing(Operand operand)
    : operand_(std::move(operand)), text_(operand_.request) {
  query_.folder = text_.folder();
}

Outcome FolderListing::Next() {
  // Anew for each piece: rules may change meanwhile.
  const MayRead filter(operand_.access,
                       {operand_.peer, operand_.socket, session::CallerOf(operand_.request)});
  return begun_ ? GoOn(filter) : Begin(filter);
}

Outcome FolderListing::Begin(const storage::ListFilter& filter) {
  // Where nothing may be seen nobody looks: no answer tells whether there is something.
  if (!filter.MayHold(query_.folder)) {
    Operand denied = operand_;
    denied.request.refusal = protocol::Status::kPermissionDenied;  // by the rules, as the intake's
    return Failed(denied, absl::PermissionDeniedError("the server's rules do not allow this"));
  }
  const std::string index = text_.index();
  if (!index.empty() && filter.Permits(index) &&
      operand_.tree->Stat(index, storage::Wait::kMayBlock).ok()) {
    Outcome outcome;
    outcome.kind = Outcome::Kind::kObject;
    outcome.answer = index;
    return outcome;
  }
  if (!text_.is_listed()) {
    return Failed(operand_, absl::PermissionDeniedError(
                                "folders are not listed (--http_listing), and this one has no "
                                "index.html"));
  }
  room_ = operand_.store->list_room()->Take(kRoomBytes);
  query_.bytes_max = room_.bytes() - PieceBytes(room_);
  absl::StatusOr<storage::FolderPage> page = operand_.store->ListFolder(query_, filter);
  if (!page.ok()) return Failed(operand_, page.status());
  page_ = *std::move(page);
  return GoOn(filter);
}

Outcome FolderListing::GoOn(const storage::ListFilter& filter) {
  const size_t enough = PieceBytes(room_);
  Outcome outcome;
  bool is_last = false;
  while (text_.bytes() < enough && !is_last) {
    if (added_ < page_.entries.size()) {
      const storage::FolderEntry& entry = page_.entries[added_++];
      text_.Add(entry.place.name, !entry.place.is_object, entry.size, entry.mtime_s);
    } else if (page_.last.has_value()) {
      query_.after = std::move(page_.last);
      page_ = {};  // before the next takes as much
      added_ = 0;
      absl::StatusOr<storage::FolderPage> page = operand_.store->ListFolder(query_, filter);
      // It may have gone meanwhile: then that is all there is.
      if (!page.ok() && !absl::IsNotFound(page.status())) {
        outcome.kind = Outcome::Kind::kBroken;
        outcome.answer =
            absl::StrCat("list ", text::Quoted(query_.folder), ": ", page.status().message());
        return outcome;
      }
      if (page.ok()) page_ = *std::move(page);
    } else {
      is_last = true;
    }
  }
  begun_ = true;
  outcome.answer = text_.Take(is_last);
  if (!is_last && !text_.head_only()) {
    outcome.kind = Outcome::Kind::kPiece;
    return outcome;
  }
  // The rest of the room until this has gone.
  page_ = {};
  room_.Shrink(outcome.answer.size());
  outcome.room = std::move(room_);
  return outcome;
}

}  // namespace objmapper::copypath
