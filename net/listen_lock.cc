// The lock file beside a Unix socket, held only while a server begins to listen. A file that
// another user could hold locked for ever is refused, with its name and owner.
#include "net/listen_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "net/errno_status.h"

namespace objmapper::net {
namespace {

// How long another server of ours may hold the lock: its start takes microseconds, but it may be
// stopped there.
constexpr int kAttempts = 100;
constexpr useconds_t kPauseUs = 20'000;

// "/run/x/s" -> "/run/x/", "s" -> "".
std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

// Whether `owner` could not harm us in `folder` in other ways as well.
bool IsTrusted(uid_t owner, const std::string& folder) {
  if (owner == 0 || owner == geteuid()) return true;
  struct stat status;
  return stat(folder.empty() ? "." : folder.c_str(), &status) == 0 && status.st_uid == owner;
}

// Why the file in the lock's place cannot be the lock; OK: it can.
absl::Status Judge(const struct stat& file, const std::string& path, absl::string_view what) {
  const auto refuse = [&](absl::string_view why) {
    return absl::FailedPreconditionError(absl::StrCat(
        what, ": ", path, ", of uid ", file.st_uid, ", is in place of the lock file, but ", why,
        "; remove it, or listen in a directory where no other user can create files"));
  };
  if (!S_ISREG(file.st_mode)) return refuse("is not a regular file");
  if (!IsTrusted(file.st_uid, FolderOf(path))) return refuse("belongs to another user");
  // Who can open it can hold the lock for ever.
  if ((file.st_mode & 077) != 0) {
    return refuse(absl::StrFormat("others may open it (mode %04o)", file.st_mode & 07777));
  }
  if (file.st_size != 0) return refuse("contains data, which the lock file never does");
  return absl::OkStatus();
}

bool IsSameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

}  // namespace

absl::StatusOr<ListenLock> ListenLock::Take(const std::string& socket_path,
                                            absl::string_view what) {
  const std::string folder = FolderOf(socket_path);
  const std::string path = absl::StrCat(folder, ".", socket_path.substr(folder.size()), ".lock");
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    const bool ours = fd.valid();
    if (!ours && errno != EEXIST)
      return net::ErrnoToStatus(errno, absl::StrCat(what, ": create ", path));
    struct stat file;
    if (!ours) {
      // What somebody has put there is looked at before it is opened: to open a FIFO or a device is
      // to wait for it.
      if (lstat(path.c_str(), &file) != 0) continue;  // gone by now
      if (absl::Status judged = Judge(file, path, what); !judged.ok()) return judged;
      fd.Reset(open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    }
    if (fd.valid() && fstat(fd.get(), &file) == 0) {
      absl::Status judged = ours ? absl::OkStatus() : Judge(file, path, what);
      if (!judged.ok()) return judged;
      // Who had it removes the file and then unlocks: what we have locked may be no file of the
      // folder's any more.
      struct stat named;
      if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
          return net::ErrnoToStatus(errno, absl::StrCat(what, ": flock ", path));
        }
      } else if (lstat(path.c_str(), &named) == 0 && IsSameFile(file, named)) {
        return ListenLock(std::move(fd), path);
      }
    }
    // another server is starting: root's, or the folder's owner's, if we may not open its file
    usleep(kPauseUs);
  }
  return absl::UnavailableError(absl::StrCat(what, ": another server keeps ", path, " locked"));
}

ListenLock::~ListenLock() {
  if (fd_.valid()) unlink(path_.c_str());
}

}  // namespace objmapper::net
