// Opens an object and reads small ones. An object that changes while it is read is read again, so
// the bytes always belong to one version.
#include "storage/tree/load.h"

#include <errno.h>
#include <sys/uio.h>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "text/printable.h"

namespace objmapper::storage {
namespace {

// How often an object that changes under our eyes is read anew.
constexpr int kAttemptsMax = 4;

// Whether a file that says that it is empty is. Some in user space (FUSE) are not: their size is
// known when they have been read. Nothing of such a one may be told as all of it. was: what it
// said.
absl::Status CheckEmpty(int fd, const ObjectInfo& was, Wait wait, absl::string_view uri) {
  char byte;
  // It may have grown since it was looked at, and been cut again; in the middle of either, size and
  // time are not of one moment. That this looks the same so many times in a row, nobody can bring
  // about.
  for (int look = 0; look < kAttemptsMax; ++look) {
    const absl::Status read = ReadAt(fd, 0, absl::MakeSpan(&byte, 1), wait, uri);
    if (absl::IsAborted(read)) return absl::OkStatus();
    if (!read.ok()) return read;
    const absl::StatusOr<ObjectInfo> now = InfoOf(fd, uri);
    if (!now.ok() || *now != was) return now.status();
  }
  return absl::PermissionDeniedError(
      absl::StrCat("read ", text::Quoted(uri),
                   ": it reports 0 bytes and has some, so its size is not reliable"));
}

}  // namespace

absl::Status ReadAt(int fd, uint64_t offset, absl::Span<char> out, Wait wait,
                    absl::string_view uri) {
  size_t have = 0;
  while (have < out.size()) {
    iovec piece{out.data() + have, out.size() - have};
    const int flags = wait == Wait::kCachedOnly ? RWF_NOWAIT : 0;
    const ssize_t got = preadv2(fd, &piece, 1, static_cast<off_t>(offset + have), flags);
    if (got > 0) {
      have += static_cast<size_t>(got);
    } else if (got == 0) {
      return absl::AbortedError("shorter than it was");
    } else if (errno == EAGAIN || errno == EOPNOTSUPP) {
      return absl::UnavailableError("not in the page cache");
    } else if (errno != EINTR) {
      return net::ErrnoToStatus(errno, absl::StrCat("read ", text::Quoted(uri)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<LoadedObject> Load(const Tree& tree, absl::string_view uri, Wait wait,
                                  size_t snapshot_max) {
  absl::StatusOr<OpenedObject> opened = tree.OpenObject(uri, wait);
  if (!opened.ok()) return std::move(opened).status();
  LoadedObject object;
  object.fd = std::move(opened->fd);
  object.info = opened->info;
  object.tier = opened->tier;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    if (object.info.size == 0) {
      if (absl::Status empty = CheckEmpty(object.fd.get(), object.info, wait, uri); !empty.ok())
        return empty;
    }
    if (object.info.size > snapshot_max) {
      object.snapshot.reset();
      return object;
    }
    object.snapshot = std::make_unique_for_overwrite<char[]>(object.info.size);
    const absl::Status read = ReadAt(
        object.fd.get(), 0, absl::MakeSpan(object.snapshot.get(), object.info.size), wait, uri);
    if (!read.ok() && !absl::IsAborted(read)) return read;
    // The copy is one version only if nothing changed while it was made.
    const absl::StatusOr<ObjectInfo> after = InfoOf(object.fd.get(), uri);
    if (!after.ok()) return after.status();
    if (read.ok() && *after == object.info) return object;
    object.info = *after;
  }
  return absl::ResourceExhaustedError(
      absl::StrCat(text::Quoted(uri), " is being changed; try again"));
}

}  // namespace objmapper::storage
