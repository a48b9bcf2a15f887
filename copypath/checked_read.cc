// Reads through read(2), and asks the file afterwards whether it still is what it was.
#include "copypath/checked_read.h"

#include <errno.h>
#include <sched.h>
#include <sys/uio.h>

#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "net/errno_status.h"
#include "text/printable.h"

namespace objmapper::copypath {
namespace {

// How long an append may take to be seen as one; the loop waits, which it does for nothing else.
constexpr int64_t kAppendNs = 1'000'000;

}  // namespace

absl::Status ReadChecked(const CachedObject& object, uint64_t offset, size_t bytes, char* out) {
  const absl::Status read = ReadAtHand(object, offset, bytes, out);
  return read.ok() ? CheckUnchanged(object) : read;
}

absl::Status ReadAtHand(const CachedObject& object, uint64_t offset, size_t bytes, char* out) {
  size_t have = 0;
  int flags = RWF_NOWAIT;
  while (have < bytes) {
    iovec piece{out + have, bytes - have};
    const ssize_t got = preadv2(object.fd(), &piece, 1, static_cast<off_t>(offset + have), flags);
    if (got > 0) {
      have += static_cast<size_t>(got);
    } else if (got == 0) {
      return absl::AbortedError(absl::StrCat(text::Quoted(object.uri()), " has become shorter"));
    } else if (errno == EOPNOTSUPP) {
      flags = 0;  // a file system in memory, which cannot block
    } else if (errno == EAGAIN) {
      return absl::UnavailableError("not in the page cache");
    } else if (errno != EINTR) {
      return net::ErrnoToStatus(errno, absl::StrCat("read ", text::Quoted(object.uri())));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckUnchanged(const CachedObject& object) {
  const storage::ObjectInfo& promised = object.info();
  int64_t give_up_ns = 0;
  while (true) {
    const absl::StatusOr<storage::ObjectInfo> after = storage::InfoOf(object.fd(), object.uri());
    if (!after.ok()) return after.status();
    if (after->size > promised.size || *after == promised) return absl::OkStatus();
    if (after->size == promised.size) {
      if (after->mtime_ns == promised.mtime_ns) return absl::OkStatus();
      // An append sets the time before it sets the size, and looks like this in between.
      const int64_t now_ns = net::NowNs();
      if (give_up_ns == 0) give_up_ns = now_ns + kAppendNs;
      if (now_ns < give_up_ns) {
        sched_yield();
        continue;
      }
    }
    return absl::AbortedError(
        absl::StrCat(text::Quoted(object.uri()), " was changed while it was sent"));
  }
}

}  // namespace objmapper::copypath
