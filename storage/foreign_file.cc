#include "storage/foreign_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"

namespace objmapper::storage {
namespace {

#ifndef FUSE_SUPER_MAGIC
constexpr long FUSE_SUPER_MAGIC = 0x65735546;
#endif

absl::Status Unfit(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("the descriptor is ", what, "; it has to be a regular file, open for reading"));
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

}  // namespace objmapper::storage
