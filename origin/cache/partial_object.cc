// Blocks are written to their places, claimed in the map when they are complete, and believed from
// an earlier process only after they have been read.
#include "origin/cache/partial_object.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "origin/cache/crc32c.h"
#include "origin/cache/folders.h"
#include "origin/cache/place.h"
#include "origin/cache/scan.h"
#include "origin/cache/shelf.h"
#include "storage/store/new_file.h"
#include "storage/tree/attributes.h"
#include "storage/tree/disk_error.h"
#include "storage/tree/reserved_name.h"
#include "text/printable.h"

namespace objmapper::origin {
namespace {

using storage::DiskError;
using storage::Durability;

// How often what another process removes at the same time is opened anew.
constexpr int kAttemptsMax = 16;
constexpr size_t kReadBytes = 1024 * 1024;

std::string What(const char* verb, absl::string_view uri) {
  return absl::StrCat(verb, " ", text::Quoted(uri, 100));
}

// What could never be kept is not begun.
absl::Status CheckSize(int folder, const Identity& identity) {
  struct statvfs disk;
  if (fstatvfs(folder, &disk) == 0 && disk.f_blocks != 0 && disk.f_frsize != 0 &&
      identity.size / disk.f_frsize > disk.f_blocks) {
    return absl::UnavailableError(absl::StrCat(What("keep", identity.uri), ": its ", identity.size,
                                               " bytes are more than the file system has"));
  }
  // Above the process's own limit the kernel would send a signal (setrlimit(2), SIGXFSZ).
  rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && identity.size > limit.rlim_cur)
    return DiskError(EFBIG, What("keep", identity.uri));
  return absl::OkStatus();
}

// Whether `name` in `folder` is still the file `fd`.
bool IsNamed(int folder, const std::string& name, int fd) {
  struct stat named, open;
  return fstatat(folder, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &open) == 0 &&
         named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

// The file with the bytes, locked. NOT_FOUND: there is none. ABORTED: it has lost its name
// meanwhile; try again. UNAVAILABLE: somebody else has it. Else as DiskError().
absl::StatusOr<net::UniqueFd> LockPart(int folder, const std::string& name, absl::string_view uri) {
  net::UniqueFd file(openat(folder, PartFile(name).c_str(),
                            O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.valid()) {
    if (errno == ENOENT) return absl::NotFoundError("nothing is left of it");
    return DiskError(errno, What("keep", uri));
  }
  if (!storage::LockReserved(file.get())) {
    if (errno != EWOULDBLOCK) return DiskError(errno, What("lock", uri));
    return absl::UnavailableError(absl::StrCat(What("keep", uri), ": it is being filled already"));
  }
  if (!IsNamed(folder, PartFile(name), file.get())) return absl::AbortedError("it was replaced");
  return file;
}

// The map first: bytes without a map are nobody's, and are removed by whoever finds them unlocked.
void Remove(int folder, const std::string& name) {
  unlinkat(folder, MapFile(name).c_str(), 0);
  unlinkat(folder, PartFile(name).c_str(), 0);
}

}  // namespace

std::string PartFile(absl::string_view name) { return absl::StrCat(name, ".part"); }
std::string MapFile(absl::string_view name) { return absl::StrCat(name, ".map"); }

absl::StatusOr<std::unique_ptr<PartialObject>> PartialObject::Open(const Options& options,
                                                                   Identity identity) {
  identity.uri = std::string(Canonical(identity.uri));
  absl::StatusOr<net::UniqueFd> folder = OpenFolder(*options.tree, PartFolder());
  if (!folder.ok()) return folder.status();
  if (absl::Status fits = CheckSize(folder->get(), identity); !fits.ok()) return fits;
  if (options.house != nullptr) {
    if (absl::Status fits = options.house->limits().Check(identity.size); !fits.ok()) return fits;
  }
  const std::string name = PartName(identity.uri);
  const auto make = [&](net::UniqueFd file, PartialMap map) {
    return std::unique_ptr<PartialObject>(
        new PartialObject(options, *std::move(folder), std::move(file), std::move(map)));
  };
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    absl::StatusOr<net::UniqueFd> file = LockPart(folder->get(), name, identity.uri);
    if (absl::IsAborted(file.status())) continue;
    if (!file.ok() && !absl::IsNotFound(file.status())) return file.status();
    if (file.ok()) {
      absl::StatusOr<PartialMap> map = PartialMap::Open(folder->get(), MapFile(name));
      if (map.ok() && map->identity() == identity && IsStrong(identity.etag))
        return make(*std::move(file), *std::move(map));
      Remove(folder->get(), name);
      continue;
    }
    absl::StatusOr<storage::NewFile> made = storage::NewFile::Make(folder->get(), PartFile(name));
    if (!made.ok()) return made.status();
    // Locked before it has its name, so whoever finds it without a map leaves it alone.
    if (!storage::LockReserved(made->fd())) return DiskError(errno, What("lock", identity.uri));
    const absl::Status named = made->PublishNew(folder->get());
    if (absl::IsAlreadyExists(named)) continue;
    if (!named.ok()) return named;
    absl::StatusOr<PartialMap> map = PartialMap::Create(folder->get(), MapFile(name), identity);
    if (!map.ok()) {
      Remove(folder->get(), name);
      return map.status();
    }
    return make(std::move(*made).TakeFd(), *std::move(map));
  }
  return absl::UnavailableError(
      absl::StrCat(What("keep", identity.uri), ": its files are being removed all the time"));
}

absl::StatusOr<std::unique_ptr<PartialObject>> PartialObject::Resume(const Options& options,
                                                                     absl::string_view uri) {
  uri = Canonical(uri);
  absl::StatusOr<net::UniqueFd> folder = FindFolder(*options.tree, PartFolder());
  if (!folder.ok()) return folder.status();
  const std::string name = PartName(uri);
  absl::StatusOr<net::UniqueFd> file = LockPart(folder->get(), name, uri);
  if (!file.ok()) return file.status();
  absl::StatusOr<PartialMap> map = PartialMap::Open(folder->get(), MapFile(name));
  if (!map.ok() || map->identity().uri != uri || !IsStrong(map->identity().etag))
    return absl::NotFoundError("what is left of it is of no use");
  if (options.house != nullptr) {
    const absl::Status fits = options.house->limits().Check(map->identity().size);
    if (!fits.ok()) return fits;
  }
  return std::unique_ptr<PartialObject>(
      new PartialObject(options, *std::move(folder), *std::move(file), *std::move(map)));
}

PartialObject::PartialObject(const Options& options, net::UniqueFd folder, net::UniqueFd file,
                             PartialMap map)
    : options_(options),
      folder_(std::move(folder)),
      map_(std::move(map)),
      name_(PartName(map_.identity().uri)),
      view_(std::make_shared<PartialView>(std::move(file), identity().size, identity().block_bytes,
                                          identity().blocks())) {
  if (options_.house != nullptr) room_ = options_.house->limits().Open("");
  if (options_.shelf != nullptr) options_.shelf->Hold(Shelf::Kind::kPart, identity().uri);
}

PartialObject::~PartialObject() {
  if (over_) return;
  if (bytes_here() == 0 || !IsStrong(identity().etag)) {
    Discard();
    return;
  }
  // Its room is given back after that, so at no time is it counted by nobody.
  if (options_.shelf != nullptr)
    options_.shelf->Put(LookAt(Shelf::Kind::kPart, identity().uri, file()));
  // The lock is the open file's, which readers share.
  flock(file(), LOCK_UN);
}

absl::Status PartialObject::Reserve(uint64_t bytes) { return room_.Extend(bytes); }

void PartialObject::SetReadable(uint64_t block, uint32_t bytes, bool valid) {
  view_->blocks_[block].store(bytes | (valid ? PartialView::kValid : 0), std::memory_order_release);
}

absl::Status PartialObject::Write(uint64_t offset, absl::string_view bytes) {
  if (offset > identity().size || bytes.size() > identity().size - offset) {
    return absl::OutOfRangeError(absl::StrCat(What("fill", identity().uri), ": ", bytes.size(),
                                              " bytes at ", offset, " of ", identity().size));
  }
  while (!bytes.empty()) {
    const uint64_t block = offset / identity().block_bytes;
    const uint32_t begin = static_cast<uint32_t>(offset % identity().block_bytes);
    const absl::string_view piece = bytes.substr(0, identity().BytesOf(block) - begin);
    if (absl::Status put = WritePiece(block, begin, piece); !put.ok()) return put;
    offset += piece.size();
    bytes.remove_prefix(piece.size());
  }
  return absl::OkStatus();
}

absl::Status PartialObject::WritePiece(uint64_t block, uint32_t begin, absl::string_view bytes) {
  if (view_->IsValid(block)) return absl::OkStatus();
  // Nobody has verified it; it is to be written, so it is not.
  if (absl::Status revoked = map_.Revoke(block); !revoked.ok()) return revoked;
  Coverage& coverage = coming_[block];
  const uint32_t end = begin + static_cast<uint32_t>(bytes.size());
  for (auto [from, to] : coverage.Gaps(begin, end)) {
    while (from < to) {
      const absl::string_view piece = bytes.substr(from - begin, to - from);
      const ssize_t put =
          TEMP_FAILURE_RETRY(pwrite(file(), piece.data(), piece.size(),
                                    static_cast<off_t>(block * identity().block_bytes + from)));
      if (put < 0) return DiskError(errno, What("fill", identity().uri));
      const uint32_t after = from + static_cast<uint32_t>(put);
      coverage.Add(from, after, Crc32c(piece.substr(0, static_cast<size_t>(put))));
      from = after;
    }
    SetReadable(block, coverage.Prefix(), false);
  }
  return absl::OkStatus();
}

absl::Status PartialObject::MarkValid(uint64_t block) {
  if (view_->IsValid(block)) return absl::OkStatus();
  const auto coming = coming_.find(block);
  const uint32_t bytes = identity().BytesOf(block);
  const std::optional<uint32_t> crc32c =
      coming == coming_.end() ? std::nullopt : coming->second.Whole(bytes);
  if (!crc32c.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat(What("fill", identity().uri), ": block ", block, " is not complete"));
  }
  if (absl::Status claimed = map_.Claim(block, *crc32c); !claimed.ok()) return claimed;
  coming_.erase(coming);
  SetReadable(block, bytes, true);
  // So that an fsync(2) of all of it at the end finds little left to be written.
  if (options_.durability != Durability::kNone) {
    sync_file_range(file(), static_cast<off_t>(block * identity().block_bytes), bytes,
                    SYNC_FILE_RANGE_WRITE);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> PartialObject::Verify(uint64_t block) {
  if (!map_.claim(block).has_value()) return false;
  uint32_t crc32c = 0;
  const uint32_t bytes = identity().BytesOf(block);
  const auto buffer = std::make_unique<char[]>(std::min<size_t>(kReadBytes, bytes));
  for (uint32_t done = 0; done < bytes;) {
    const ssize_t got =
        TEMP_FAILURE_RETRY(pread(file(), buffer.get(), std::min<size_t>(kReadBytes, bytes - done),
                                 static_cast<off_t>(block * identity().block_bytes + done)));
    // What the disk cannot give back is not here; fetched again, it is written to another place.
    if (got <= 0) {
      if (got < 0 && errno != EIO) return net::ErrnoToStatus(errno, What("read", identity().uri));
      crc32c = ~*map_.claim(block);
      break;
    }
    crc32c = Crc32c(absl::string_view(buffer.get(), static_cast<size_t>(got)), crc32c);
    done += static_cast<uint32_t>(got);
  }
  if (crc32c == *map_.claim(block)) {
    SetReadable(block, bytes, true);
    return true;
  }
  SetReadable(block, 0, false);
  if (absl::Status revoked = map_.Revoke(block); !revoked.ok()) return revoked;
  return false;
}

absl::StatusOr<std::vector<PartialObject::Range>> PartialObject::Missing(uint64_t begin,
                                                                         uint64_t end) {
  std::vector<Range> missing;
  end = std::min(end, identity().size);
  for (uint64_t block = begin / identity().block_bytes;
       begin < end && block * identity().block_bytes < end; ++block) {
    if (view_->IsValid(block)) continue;
    const absl::StatusOr<bool> valid = Verify(block);
    if (!valid.ok()) return valid.status();
    if (*valid) continue;
    const uint64_t from = block * identity().block_bytes;
    const uint64_t to = from + identity().BytesOf(block);
    if (!missing.empty() && missing.back().second == from) {
      missing.back().second = to;
    } else {
      missing.emplace_back(from, to);
    }
  }
  return missing;
}

bool PartialObject::IsWhole() const { return bytes_here() == identity().size; }

uint64_t PartialObject::bytes_here() const {
  uint64_t bytes = 0;
  for (uint64_t block = 0; block < identity().blocks(); ++block)
    bytes += map_.claim(block).has_value() ? identity().BytesOf(block) : 0;
  return bytes;
}

std::optional<uint32_t> PartialObject::Checksum() const {
  uint32_t crc32c = 0;
  for (uint64_t block = 0; block < identity().blocks(); ++block) {
    if (!map_.claim(block).has_value()) return std::nullopt;
    crc32c = Crc32cCombine(crc32c, *map_.claim(block), identity().BytesOf(block));
  }
  return crc32c;
}

absl::StatusOr<std::string> PartialObject::Publish(const Publication& publication) {
  const absl::StatusOr<std::vector<Range>> missing = Missing(0, identity().size);
  if (!missing.ok()) return missing.status();
  if (!missing->empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        What("publish", identity().uri), ": ", missing->size(), " ranges of it are missing"));
  }
  // Whoever has written behind its end has not left it what it is.
  if (ftruncate(file(), static_cast<off_t>(identity().size)) != 0)
    return DiskError(errno, What("publish", identity().uri));
  const std::optional<uint32_t> crc32c = Checksum();
  if (publication.expected_crc32c.has_value() && crc32c != publication.expected_crc32c) {
    Discard();
    return absl::DataLossError(
        absl::StrCat(What("publish", identity().uri), ": its CRC32C is not the origin's"));
  }
  const Mark mark = {.uri = std::string(Canonical(identity().uri)),
                     .source = identity().source,
                     .etag = identity().etag,
                     .last_modified_s = identity().last_modified_s,
                     .size = identity().size,
                     .crc32c = crc32c,
                     .fetched_s = publication.fetched_s,
                     .checked_s = publication.checked_s};
  if (absl::Status marked = WriteMark(file(), mark); !marked.ok()) return marked;
  absl::StatusOr<std::string> place = IsPath(mark.uri) ? PublishPlain(mark) : PublishEncoded(mark);
  // A folder has its name, or an object is where a folder would have to be.
  if (absl::IsAlreadyExists(place.status())) place = PublishEncoded(mark);
  // It may have its name, and not be as safe as was asked for.
  if (place.ok() || !IsNamed(folder_.get(), PartFile(name_), file())) Discard();
  return place;
}

absl::StatusOr<std::string> PartialObject::PublishPlain(const Mark& mark) {
  storage::PutAttributes attributes;
  bool pinned = storage::IsPinned(file());
  attributes.condition = [&](const storage::Description* there) {
    if (there == nullptr) return absl::OkStatus();
    const absl::StatusOr<storage::OpenedObject> object =
        options_.tree->OpenObject(mark.uri, storage::Wait::kMayBlock);
    const std::optional<Mark> its = object.ok() && there->tier == storage::Tier::kDisk
                                        ? ReadMark(object->fd.get())
                                        : std::nullopt;
    if (!its.has_value() || its->uri != mark.uri) {
      return absl::AbortedError(
          absl::StrCat(What("publish", mark.uri), ": an object that is no origin's has this name"));
    }
    pinned = pinned || storage::IsPinned(object->fd.get());
    // Before it has the name, so that at no time it could be evicted.
    return pinned ? storage::SetPinned(file(), true) : absl::OkStatus();
  };
  const storage::WholeFile whole = {.fd = file(),
                                    .folder = folder_.get(),
                                    .name = PartFile(name_),
                                    .etag = ClientEtag(mark),
                                    .dress = [&](int copy) -> absl::Status {
                                      if (absl::Status marked = WriteMark(copy, mark); !marked.ok())
                                        return marked;
                                      return pinned ? storage::SetPinned(copy, true)
                                                    : absl::OkStatus();
                                    }};
  absl::StatusOr<std::unique_ptr<storage::NewObject>> object =
      options_.store->BeginWhole(mark.uri, whole, attributes);
  if (!object.ok()) return object.status();
  if (absl::Status committed = (*object)->Commit(); !committed.ok()) return committed;
  // What was kept when something was in its way is out of date.
  unlinkat(options_.tree->root().fd(), EncodedPlace(mark.uri).c_str(), 0);
  if (options_.shelf != nullptr) options_.shelf->Forget(Shelf::Kind::kWhole, mark.uri);
  return mark.uri;
}

absl::StatusOr<std::string> PartialObject::PublishEncoded(const Mark& mark) {
  const absl::StatusOr<net::UniqueFd> folder = OpenFolder(*options_.tree, WholeFolder());
  if (!folder.ok()) return folder.status();
  const std::string what = What("publish", mark.uri);
  if (options_.durability != Durability::kNone && fsync(file()) != 0) return DiskError(errno, what);
  const std::string name = EncodedName(mark.uri);
  const net::UniqueFd there(
      openat(folder->get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (there.valid() && storage::IsPinned(there.get())) {
    if (absl::Status pinned = storage::SetPinned(file(), true); !pinned.ok()) return pinned;
  }
  if (renameat(folder_.get(), PartFile(name_).c_str(), folder->get(), name.c_str()) != 0)
    return DiskError(errno, what);
  storage::KeepContentEtag(file(), ClientEtag(mark));
  if (options_.shelf != nullptr) options_.shelf->Put(LookAt(Shelf::Kind::kWhole, mark.uri, file()));
  options_.tree->NoteChange();
  if (options_.durability == Durability::kFull && fsync(folder->get()) != 0)
    return absl::DataLossError(absl::StrCat(what, ": its name may not be on the disk yet"));
  return EncodedPlace(mark.uri);
}

void PartialObject::Discard() {
  if (over_) return;
  Remove(folder_.get(), name_);
  flock(file(), LOCK_UN);
  if (options_.shelf != nullptr) options_.shelf->Forget(Shelf::Kind::kPart, identity().uri);
  over_ = true;
  coming_.clear();
  room_ = storage::DiskLimits::Room();
}

}  // namespace objmapper::origin
