// Judges a client's descriptor. It runs in a process that may hang, since every call on the file
// may wait for its file system.
#include "storage/store/foreign_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"

namespace objmapper::storage {
namespace {

absl::Status Unfit(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("the descriptor is ", what, "; it must be a regular file, open for reading"));
}

}  // namespace

absl::StatusOr<ForeignFile> JudgeForeignFile(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  struct stat status;
  if (flags < 0 || fstat(fd, &status) != 0)
    return net::ErrnoToStatus(errno, "look at the descriptor");
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
      return Unfit("not a file (an epoll set, an eventfd, a timer or the like)");
  }
  if ((flags & O_PATH) != 0) return Unfit("only a location in the file system (O_PATH)");
  if ((flags & O_ACCMODE) == O_WRONLY) return Unfit("open only for writing");
  // Of procfs and the like: copied by its size, it would be an empty object.
  if (status.st_size == 0) {
    char byte;
    ssize_t got;
    do {
      got = pread(fd, &byte, 1, 0);
    } while (got < 0 && errno == EINTR);
    struct stat now;
    if (got > 0 && fstat(fd, &now) == 0 && now.st_size == 0) {
      return absl::InvalidArgumentError(
          "the descriptor's file reports 0 bytes and has some (the kernel generates it when it is "
          "read, as in procfs): send its bytes with OP_PUT");
    }
    if (got > 0) status = now;
  }
  ForeignFile file;
  file.size = static_cast<uint64_t>(status.st_size);
  // stat(2): blocks of 512 bytes, whatever st_blksize says.
  file.data_bytes = std::min(file.size, static_cast<uint64_t>(status.st_blocks) * 512);
  return file;
}

}  // namespace objmapper::storage
