// Finds what is here of a URI in each of its places, and judges what may be done with it.
// Invariant: what has no origin's mark is never removed.
#include "origin/cache/control.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "origin/cache/folders.h"
#include "origin/cache/mark.h"
#include "origin/cache/partial_map.h"
#include "origin/cache/partial_object.h"
#include "origin/cache/place.h"
#include "origin/cache/scan.h"
#include "storage/tree/attributes.h"
#include "storage/tree/disk_error.h"
#include "storage/tree/open_at.h"
#include "storage/tree/reserved_name.h"
#include "text/printable.h"

namespace objmapper::origin {
namespace {

using State = Holding::State;

constexpr int kToLook = O_RDONLY | O_NONBLOCK | O_NOCTTY;
// How often an object that is replaced at the same time is pinned anew.
constexpr int kAttemptsMax = 16;

// "“models/a” is pinned": the object and what is the matter with it.
absl::Status Refuse(absl::string_view uri, absl::string_view why) {
  return absl::FailedPreconditionError(absl::StrCat(text::Quoted(uri, 100), " ", why));
}

absl::Status NotHere(absl::string_view uri) {
  return absl::NotFoundError(absl::StrCat("there is nothing of ", text::Quoted(uri, 100), " here"));
}

absl::Status CheckUri(absl::string_view uri) {
  if (uri.empty()) return absl::InvalidArgumentError("a URI must not be empty");
  if (uri.find('\0') == absl::string_view::npos) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(text::Quoted(uri, 100), " holds a NUL"));
}

// Whether `fd` is `uri`'s object of an origin, and not one that was copied from it, mark and all.
std::optional<Mark> MarkOf(int fd, absl::string_view uri) {
  std::optional<Mark> mark = ReadMark(fd);
  if (mark.has_value() && mark->uri != uri) mark.reset();
  return mark;
}

void TakeMark(const Mark& mark, Holding* holding) {
  holding->state = State::kWhole;
  holding->source = mark.source;
  holding->etag = mark.etag;
  holding->last_modified_s = mark.last_modified_s;
  holding->fetched_s = mark.fetched_s;
  holding->checked_s = mark.checked_s;
}

uint64_t TakenBy(const struct stat& status) {
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

}  // namespace

absl::StatusOr<Control::Seen> Control::SeeObject(const std::string& uri) const {
  Seen seen;
  if (storage::Overlay* const memory = parts_.tree->overlay(); memory != nullptr) {
    const auto info = memory->Stat(uri);
    if (info.has_value() && info->ok()) {
      seen.holding.size = seen.holding.bytes_here = (*info)->size;
      return seen;
    }
  }
  const int root = parts_.tree->root().fd();
  // As it is served: what is under the encoded name goes before what the path leads to.
  seen.file.Reset(storage::OpenPlain(root, EncodedPlace(uri).c_str(), kToLook));
  struct stat status;
  if (seen.file.valid()) {
    const std::optional<Mark> mark = MarkOf(seen.file.get(), uri);
    if (mark.has_value() && fstat(seen.file.get(), &status) == 0) {
      TakeMark(*mark, &seen.holding);
      seen.holding.encoded = true;
    }
  }
  if (!seen.holding.encoded) {
    if (!IsPath(uri) || storage::HasReservedName(uri)) return NotHere(uri);
    const std::string what = absl::StrCat("look at ", storage::QuotedUri(uri));
    seen.file.Reset(
        storage::OpenAt2(root, uri.c_str(), kToLook, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS));
    if (!seen.file.valid() && (errno == ENOENT || errno == ENOTDIR)) return NotHere(uri);
    if (!seen.file.valid() || fstat(seen.file.get(), &status) != 0)
      return storage::DiskError(errno, what);
    if (!S_ISREG(status.st_mode)) return NotHere(uri);
    if (const std::optional<Mark> mark = MarkOf(seen.file.get(), uri); mark.has_value())
      TakeMark(*mark, &seen.holding);
  }
  seen.holding.pinned = storage::IsPinned(seen.file.get());
  seen.holding.size = seen.holding.bytes_here = static_cast<uint64_t>(status.st_size);
  seen.taken = TakenBy(status);
  return seen;
}

absl::StatusOr<Control::Seen> Control::SeePart(const std::string& uri, bool* filling) const {
  *filling = false;
  const absl::StatusOr<net::UniqueFd> folder = FindFolder(*parts_.tree, PartFolder());
  if (absl::IsNotFound(folder.status())) return NotHere(uri);
  if (!folder.ok()) return folder.status();
  const std::string name = PartName(uri);
  Seen seen;
  seen.file.Reset(openat(folder->get(), PartFile(name).c_str(), kToLook | O_NOFOLLOW | O_CLOEXEC));
  if (!seen.file.valid() && errno == ENOENT) return NotHere(uri);
  struct stat status;
  if (!seen.file.valid() || fstat(seen.file.get(), &status) != 0)
    return storage::DiskError(errno, absl::StrCat("look at a part of ", storage::QuotedUri(uri)));
  // Its lock would tell, but whoever looked by that would be in a fill's way.
  *filling = !parts_.shelf->IsIdle(Shelf::Kind::kPart, uri);
  const absl::StatusOr<PartialMap> map = PartialMap::Open(folder->get(), MapFile(name));
  if (!map.ok() || map->identity().uri != uri) return NotHere(uri);
  const Identity& identity = map->identity();
  seen.holding.state = State::kPart;
  seen.holding.filling = *filling;
  seen.holding.pinned = storage::IsPinned(seen.file.get());
  seen.holding.size = identity.size;
  for (uint64_t block = 0; block < identity.blocks(); ++block)
    seen.holding.bytes_here += map->claim(block).has_value() ? identity.BytesOf(block) : 0;
  seen.holding.source = identity.source;
  seen.holding.etag = identity.etag;
  seen.holding.last_modified_s = identity.last_modified_s;
  seen.taken = TakenBy(status);
  return seen;
}

absl::StatusOr<Control::Seen> Control::See(const std::string& uri) const {
  absl::StatusOr<Seen> object = SeeObject(uri);
  if (!object.ok() && !absl::IsNotFound(object.status())) return object;
  bool filling = false;
  absl::StatusOr<Seen> part = SeePart(uri, &filling);
  if (!object.ok()) return part;
  object->holding.filling = filling;
  return object;
}

absl::StatusOr<Holding> Control::Look(absl::string_view uri) const {
  if (absl::Status is = CheckUri(uri); !is.ok()) return is;
  absl::StatusOr<Seen> seen = See(std::string(Canonical(uri)));
  if (!seen.ok()) return seen.status();
  return std::move(seen->holding);
}

absl::Status Control::SetPinned(absl::string_view asked, bool pinned) const {
  if (absl::Status is = CheckUri(asked); !is.ok()) return is;
  const std::string uri(Canonical(asked));
  // A newer version that takes its place meanwhile has looked at the old one's pin before.
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const absl::StatusOr<Seen> seen = See(uri);
    if (!seen.ok()) return seen.status();
    if (!seen->file.valid()) return Refuse(uri, "is in memory, where nothing is pinned");
    const Holding& holding = seen->holding;
    if (holding.state == State::kPart || holding.encoded) {
      parts_.shelf->NotePinned(holding.encoded ? Shelf::Kind::kWhole : Shelf::Kind::kPart, uri,
                               holding.pinned);
    } else if (parts_.house != nullptr) {
      parts_.house->Changed(uri);
    }
    if (holding.pinned == pinned) return absl::OkStatus();
    const absl::Status set = storage::SetPinned(seen->file.get(), pinned);
    if (!set.ok())
      return absl::Status(set.code(), absl::StrCat(text::Quoted(uri, 100), ": ", set.message()));
  }
  return absl::UnavailableError(
      absl::StrCat(text::Quoted(uri, 100), " is being replaced all the time"));
}

absl::StatusOr<uint64_t> Control::EvictObject(const std::string& uri, const Seen& seen,
                                              bool force) const {
  absl::Status refused;
  const auto judge = [&](int file) {
    const bool fetched = MarkOf(file, uri).has_value();
    if (!fetched)
      refused = Refuse(uri, "did not come from an origin: it is this disk's own, and stays");
    else if (!force && storage::IsPinned(file))
      refused = Refuse(uri, "is pinned");
    return refused.ok();
  };
  if (!seen.file.valid()) return Refuse(uri, "did not come from an origin: it is in memory");
  if (!judge(seen.file.get())) return refused;
  const absl::Status removed =
      seen.holding.encoded ? parts_.shelf->RemoveWhole(uri) : parts_.store->DeleteIf(uri, judge);
  if (!refused.ok()) return refused;
  if (absl::IsNotFound(removed)) return 0;  // somebody else was quicker
  if (!removed.ok()) return removed;
  return seen.taken;
}

absl::StatusOr<uint64_t> Control::Evict(absl::string_view asked, bool force) const {
  if (absl::Status is = CheckUri(asked); !is.ok()) return is;
  const std::string uri(Canonical(asked));
  const auto being_fetched = [&] { return Refuse(uri, "is being fetched: wait until it is here"); };
  bool filling = false;
  const absl::StatusOr<Seen> part = SeePart(uri, &filling);
  if (filling) return being_fetched();
  if (!part.ok() && !absl::IsNotFound(part.status())) return part.status();
  const absl::StatusOr<Seen> object = SeeObject(uri);
  if (!object.ok() && !absl::IsNotFound(object.status())) return object.status();
  if (!object.ok() && !part.ok()) return object.status();
  uint64_t freed = 0;
  if (object.ok()) {
    const absl::StatusOr<uint64_t> evicted = EvictObject(uri, *object, force);
    if (!evicted.ok()) return evicted;
    freed = *evicted;
  }
  if (!part.ok()) return freed;
  if (!object.ok() && part->holding.pinned && !force) return Refuse(uri, "is pinned");
  if (!RemovePart(*parts_.tree, uri)) {
    // Somebody has begun to fill it, or has removed it.
    return object.ok() ? absl::StatusOr<uint64_t>(freed) : being_fetched();
  }
  parts_.shelf->Forget(Shelf::Kind::kPart, uri);
  return freed + part->taken;
}

}  // namespace objmapper::origin
