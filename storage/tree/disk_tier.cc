// Opens objects with openat2(2) and RESOLVE_BENEATH, so that no name leads out of the root. Every
// other access to the tree's files goes through here.
#include "storage/tree/disk_tier.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "storage/tree/disk_error.h"
#include "storage/tree/open_at.h"
#include "storage/tree/reserved_name.h"

namespace objmapper::storage {
namespace {

// How often a walk that a rename disturbed (EAGAIN) is begun anew.
constexpr int kAttemptsMax = 16;

// Whether one of the components is "..". Searching for the dots skips most of the path at once.
bool HasDotDot(absl::string_view path) {
  for (size_t at = path.find(".."); at != path.npos; at = path.find("..", at + 1)) {
    const bool begins = at == 0 || path[at - 1] == '/';
    const bool ends = at + 2 == path.size() || path[at + 2] == '/';
    if (begins && ends) return true;
  }
  return false;
}

// Copies `uri` without its leading slashes to `path`, NUL-terminated. Refuses what the kernel
// would misread (NUL) or has no business with ("..": inside symbolic links it is allowed; walks of
// thousands of levels).
absl::Status CopyPath(absl::string_view uri, char (&path)[PATH_MAX], size_t depth_max = kDepthMax) {
  const auto because = [uri](absl::string_view why) {
    return absl::StrCat("open ", QuotedUri(uri), ": ", why);
  };
  absl::string_view relative = uri;
  while (!relative.empty() && relative.front() == '/') relative.remove_prefix(1);
  if (relative.empty()) return absl::InvalidArgumentError("the URI is empty");
  if (relative.size() >= PATH_MAX) {
    return absl::OutOfRangeError(because(absl::StrCat("longer than ", PATH_MAX - 1, " bytes")));
  }
  if (memchr(relative.data(), '\0', relative.size()) != nullptr) {
    return absl::InvalidArgumentError(because("contains a NUL"));
  }
  if (HasDotDot(relative)) {
    return absl::PermissionDeniedError(because("\"..\" is not allowed"));
  }
  if (IsDeeperThan(relative, depth_max)) {
    return absl::OutOfRangeError(because(absl::StrCat("deeper than ", kDepthMax, " levels")));
  }
  if (HasReservedName(relative)) {
    return absl::PermissionDeniedError(because("such names are reserved for the server"));
  }
  memcpy(path, relative.data(), relative.size());
  path[relative.size()] = '\0';
  return absl::OkStatus();
}

// O_NONBLOCK: a FIFO without a writer, a leased file or a device would block us in open(2).
// O_NOCTTY: a terminal in the tree must not become ours.
constexpr int kNeverBlock = O_NONBLOCK | O_NOCTTY;

// The object that was just opened with kNeverBlock, if it is one.
absl::StatusOr<OpenedObject> AsObject(net::UniqueFd fd, absl::string_view uri) {
  absl::StatusOr<ObjectInfo> info = InfoOf(fd.get(), uri);
  if (!info.ok()) return std::move(info).status();
  // Nothing else was set that F_SETFL could clear (fcntl(2)); the client sees these flags.
  if (fcntl(fd.get(), F_SETFL, 0) != 0) {
    return net::ErrnoToStatus(errno, absl::StrCat("open ", QuotedUri(uri)));
  }
  return OpenedObject{std::move(fd), *info};
}

absl::Status NotAtHand(absl::string_view uri) {
  return absl::UnavailableError(
      absl::StrCat("open ", QuotedUri(uri), ": not in the kernel's caches"));
}

absl::Status ResolveError(int error, absl::string_view uri) {
  const std::string what = absl::StrCat("open ", QuotedUri(uri));
  switch (error) {
    case ENAMETOOLONG:
      return absl::OutOfRangeError(absl::StrCat(what, ": a name in it is too long (ENAMETOOLONG)"));
    case EXDEV:
      return absl::PermissionDeniedError(absl::StrCat(what, ": leads out of the root (EXDEV)"));
    case ELOOP:
      return absl::PermissionDeniedError(
          absl::StrCat(what, ": a magic link, or too many symbolic links (ELOOP)"));
    case EAGAIN:
      return absl::ResourceExhaustedError(absl::StrCat(
          what, ": it is being renamed, or a writer holds a lease; try again (EAGAIN)"));
    case ETIMEDOUT:
      // Of a file system that is on the other end of a network: the client itself was not late.
      return absl::DataLossError(
          absl::StrCat(what, ": the file system did not answer in time (ETIMEDOUT)"));
    default:
      return net::ErrnoToStatus(error, what);
  }
}

}  // namespace

absl::StatusOr<OpenedObject> DiskTier::Open(absl::string_view uri, Wait wait) const {
  if (wait == Wait::kCachedOnly && slow_opens_->any() && IsSlow(uri)) return NotAtHand(uri);
  const SlowOpens::Timer timer(slow_opens_.get());
  absl::StatusOr<net::UniqueFd> fd = Resolve(uri, O_RDONLY | kNeverBlock, wait);
  if (!fd.ok()) {
    NoteFailure(timer, uri, wait);
    return std::move(fd).status();
  }
  absl::StatusOr<OpenedObject> object = AsObject(*std::move(fd), uri);
  if (object.ok()) timer.Took(object->info.device, wait == Wait::kCachedOnly);
  return object;
}

bool DiskTier::IsSlow(absl::string_view uri) const {
  // O_PATH opens nothing, so nobody is asked.
  const absl::StatusOr<net::UniqueFd> fd = Resolve(uri, O_PATH, Wait::kCachedOnly);
  return fd.ok() && slow_opens_->IsSlow(SlowOpens::DeviceOf(fd->get()));
}

bool DiskTier::IsSlow(int directory, const char* name) const {
  const net::UniqueFd fd(OpenAt2(directory, name, O_PATH | O_NOFOLLOW, RESOLVE_CACHED));
  return fd.valid() && slow_opens_->IsSlow(SlowOpens::DeviceOf(fd.get()));
}

void DiskTier::NoteFailure(const SlowOpens::Timer& timer, absl::string_view uri, Wait wait) const {
  if (timer.Elapsed() < SlowOpens::kSlowNs) return;
  const absl::StatusOr<net::UniqueFd> fd = Resolve(uri, O_PATH, Wait::kCachedOnly);
  if (fd.ok()) timer.Took(SlowOpens::DeviceOf(fd->get()), wait == Wait::kCachedOnly);
}

absl::Status DiskTier::CheckName(absl::string_view uri) {
  char path[PATH_MAX];
  return CopyPath(uri, path);
}

absl::StatusOr<net::UniqueFd> DiskTier::OpenDirectory(absl::string_view path, Wait wait) const {
  // "." stands for the root, which CopyPath() would call an empty URI.
  const bool is_root = path.find_first_not_of('/') == absl::string_view::npos;
  return Resolve(is_root ? "." : path, O_PATH | O_DIRECTORY, wait);
}

absl::StatusOr<OpenedObject> DiskTier::OpenIn(int directory, absl::string_view name,
                                              absl::string_view uri, bool seen_regular,
                                              Wait wait) const {
  char path[NAME_MAX + 1];
  if (!IsPlainName(name)) {
    return absl::PermissionDeniedError(absl::StrCat("open ", QuotedUri(uri), ": not a plain name"));
  }
  memcpy(path, name.data(), name.size());
  path[name.size()] = '\0';
  // Who must not wait for the disk must not wait for a FIFO either.
  if (wait == Wait::kCachedOnly) seen_regular = false;
  if (wait == Wait::kCachedOnly && slow_opens_->any() && IsSlow(directory, path))
    return NotAtHand(uri);
  const int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (seen_regular ? O_NOCTTY : kNeverBlock);
  const SlowOpens::Timer timer(slow_opens_.get());
  // openat(2) is the cheaper one, and a plain name needs no RESOLVE_BENEATH.
  net::UniqueFd fd(wait != Wait::kCachedOnly ? openat(directory, path, flags)
                                             : OpenAt2(directory, path, flags, RESOLVE_CACHED));
  if (!fd.valid()) {
    const int error = errno;
    NoteFailure(timer, uri, wait);
    if (wait == Wait::kCachedOnly && (error == EAGAIN || error == EINVAL)) return NotAtHand(uri);
    // EINTR is not retried: the caller's other way never blocks.
    if (error == EINTR) return absl::ResourceExhaustedError("interrupted");
    return ResolveError(error, uri);
  }
  MarkUse(uri);
  if (!seen_regular) {
    absl::StatusOr<OpenedObject> object = AsObject(std::move(fd), uri);
    if (object.ok()) timer.Took(object->info.device, wait == Wait::kCachedOnly);
    return object;
  }
  absl::StatusOr<ObjectInfo> info = InfoOf(fd.get(), uri);
  if (!info.ok()) return std::move(info).status();
  timer.Took(info->device, wait == Wait::kCachedOnly);
  return OpenedObject{std::move(fd), *info};
}

absl::StatusOr<ObjectInfo> DiskTier::Stat(absl::string_view uri, Wait wait) const {
  // O_PATH opens nothing, so no file of any kind blocks, wakes up or rewinds.
  const absl::StatusOr<net::UniqueFd> fd = Resolve(uri, O_PATH, wait);
  if (!fd.ok()) return fd.status();
  return InfoOf(fd->get(), uri);
}

absl::StatusOr<Description> DiskTier::Describe(absl::string_view uri, Wait wait) const {
  const absl::StatusOr<net::UniqueFd> fd = Resolve(uri, O_PATH, wait);
  if (!fd.ok()) return fd.status();
  const absl::StatusOr<ObjectInfo> info = InfoOf(fd->get(), uri);
  if (!info.ok()) return info.status();
  return storage::Describe(fd->get(), *info, Tier::kDisk);
}

absl::StatusOr<net::UniqueFd> DiskTier::Resolve(absl::string_view uri, int flags, Wait wait) const {
  char path[PATH_MAX];
  // One more level is what lies in a directory.
  const size_t depth_max = (flags & O_DIRECTORY) == 0 ? kDepthMax : kDepthMax - 1;
  if (absl::Status status = CopyPath(uri, path, depth_max); !status.ok()) return status;
  uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  if (wait == Wait::kCachedOnly) resolve |= RESOLVE_CACHED;
  int error = 0;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    net::UniqueFd fd(OpenAt2(root_.fd(), path, flags, resolve));
    if (fd.valid()) {
      if ((flags & O_DIRECTORY) == 0) MarkUse(uri);
      return fd;
    }
    error = errno;
    // Linux before 5.12 does not know RESOLVE_CACHED and says EINVAL.
    if (wait == Wait::kCachedOnly && (error == EAGAIN || error == EINVAL)) return NotAtHand(uri);
    // A rename during a walk through ".." (in a symbolic link): the kernel cannot tell whether it
    // stayed beneath the root (openat2(2)).
    if (error != EAGAIN) break;
  }
  // What opening a socket, or a device that is absent, in use or empty gives, or what may not be
  // read: O_PATH tells which.
  const bool special =
      error == ENXIO || error == ENODEV || error == EBUSY || error == ENOMEDIUM || error == EACCES;
  if (special && (flags & O_PATH) == 0) {
    if (absl::Status status = Stat(uri, wait).status(); !status.ok()) return status;
  }
  return ResolveError(error, uri);
}

bool IsDeeperThan(absl::string_view uri, size_t levels) {
  if (uri.size() / 2 < levels) return false;  // a level takes two bytes, but for the last one
  size_t depth = 0;
  for (size_t i = 0; i < uri.size(); ++i) {
    if (uri[i] == '/' || (i > 0 && uri[i - 1] != '/')) continue;
    const bool is_dot = uri[i] == '.' && (i + 1 == uri.size() || uri[i + 1] == '/');
    if (!is_dot) ++depth;
  }
  return depth > levels;
}

}  // namespace objmapper::storage
