#include "storage/foreign_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"

namespace objmapper::storage {
namespace {

#ifndef FUSE_SUPER_MAGIC
constexpr long FUSE_SUPER_MAGIC = 0x65735546;
#endif
// One call moves no more, so that a signal, or the end of the file, is seen in time.
constexpr uint64_t kPieceBytes = 64 * 1024 * 1024;

absl::Status Unfit(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("the descriptor is ", what, "; it has to be a regular file, open for reading"));
}

absl::Status CopyError(int error) {
  const absl::Status status = net::ErrnoToStatus(error, "copy from the descriptor");
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return full ? absl::UnavailableError(status.message()) : status;
}

// Moves bytes by one of two calls; -1 and errno as they.
ssize_t MoveSome(int from, uint64_t at, int to, uint64_t bytes, bool* by_sendfile) {
  const size_t piece = std::min(bytes, kPieceBytes);
  if (!*by_sendfile) {
    off_t in = static_cast<off_t>(at), out = in;
    const ssize_t moved = copy_file_range(from, &in, to, &out, piece, 0);
    // Between file systems of different kinds, such as a memfd's and a disk's, and for files that have no such thing.
    const bool cannot = moved < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS);
    if (!cannot) return moved;
    *by_sendfile = true;
    if (lseek(to, static_cast<off_t>(at), SEEK_SET) < 0) return -1;
  }
  off_t in = static_cast<off_t>(at);
  return sendfile(to, from, &in, piece);
}

}  // namespace

absl::StatusOr<uint64_t> JudgeForeignFile(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  struct stat status;
  if (flags < 0 || fstat(fd, &status) != 0) return net::ErrnoToStatus(errno, "look at the descriptor");
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
      break;
    case S_IFDIR:
      return Unfit("a directory");
    case S_IFIFO:
      return Unfit("a pipe");
    case S_IFSOCK:
      return Unfit("a socket");
    case S_IFCHR:
    case S_IFBLK:
      return Unfit("a device");
    case S_IFLNK:
      return Unfit("a symbolic link");
    default:
      return Unfit("no file at all (an epoll set, an eventfd, a timer or the like)");
  }
  if ((flags & O_PATH) != 0) return Unfit("a mere place in the file system (O_PATH)");
  if ((flags & O_ACCMODE) == O_WRONLY) return Unfit("open for writing alone");
  struct statfs system;
  if (fstatfs(fd, &system) == 0 && system.f_type == FUSE_SUPER_MAGIC) {
    return Unfit("on a file system in user space (FUSE)");
  }
  return static_cast<uint64_t>(status.st_size);
}

absl::Status CopyForeignFile(int from, uint64_t size, int to) {
  const absl::Status changed = absl::AbortedError("the descriptor's file changed its size while it was copied");
  struct stat status;
  bool copied = size > 0 && ioctl(to, FICLONE, from) == 0;
  bool by_sendfile = false;
  for (uint64_t at = 0; !copied && at < size;) {
    const ssize_t moved = MoveSome(from, at, to, size - at, &by_sendfile);
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0) return CopyError(errno);
    if (moved == 0) return changed;
    at += static_cast<uint64_t>(moved);
  }
  if (fstat(to, &status) != 0) return net::ErrnoToStatus(errno, "fstat");
  return static_cast<uint64_t>(status.st_size) == size ? absl::OkStatus() : changed;
}

}  // namespace objmapper::storage
