// What an open file is: whether it is an object, and the ETAG of its version, which is all bits of
// size, times and inode.
#include "storage/tree/object_info.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "net/errno_status.h"
#include "storage/tree/attributes.h"
#include "storage/tree/disk_error.h"

namespace objmapper::storage {
namespace {

// What a file that is not regular is, for messages.
const char* KindOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "a directory";
    case S_IFCHR:
    case S_IFBLK:
      return "a device";
    case S_IFIFO:
      return "a FIFO";
    case S_IFSOCK:
      return "a socket";
    case S_IFLNK:
      return "a symbolic link";
    default:
      return "of an unknown kind";
  }
}

constexpr int64_t kMadeUp[] = {
    PROC_SUPER_MAGIC, SYSFS_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC, SELINUX_MAGIC,
    SMACK_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, BINFMTFS_MAGIC, BPF_FS_MAGIC, NSFS_MAGIC,
    RDTGROUP_SUPER_MAGIC,
    // Those that have no name in linux/magic.h.
    0x62656570,  // configfs
    0x65735543,  // fusectl
    0x6E667364,  // nfsd
    0x19800202,  // mqueue
};

// Whether the kernel makes the file up while it is read, so that its size says nothing: 0, or a
// page. Asked of files that take no blocks alone, and of one file system once a second: a number of
// a device comes again.
bool IsMadeUp(int fd, dev_t device) {
  constexpr int64_t kBelievedNs = 1'000'000'000;
  struct Known {
    dev_t device = 0;
    bool made_up = false;
    int64_t until_ns = 0;
  };
  thread_local Known known;
  const int64_t now_ns = net::NowNs();
  if (known.device == device && now_ns < known.until_ns) return known.made_up;
  struct statfs system;
  if (fstatfs(fd, &system) != 0) return false;
  const bool made_up =
      std::find(std::begin(kMadeUp), std::end(kMadeUp), system.f_type) != std::end(kMadeUp);
  known = {device, made_up, now_ns + kBelievedNs};
  return known.made_up;
}

}  // namespace

int64_t NanosecondsOf(const timespec& time) {
  int64_t ns;
  if (__builtin_mul_overflow(int64_t{time.tv_sec}, int64_t{1'000'000'000}, &ns) ||
      __builtin_add_overflow(ns, int64_t{time.tv_nsec}, &ns)) {
    return time.tv_sec < 0 ? INT64_MIN : INT64_MAX;
  }
  return ns;
}

std::string Etag(const ObjectInfo& info) {
  // Every bit of every field, so that distinct infos cannot collide: 40 bytes, 54 characters of
  // base64. Decimal or hexadecimal digits would not fit.
  const uint64_t fields[] = {info.size, static_cast<uint64_t>(info.mtime_ns),
                             static_cast<uint64_t>(info.ctime_ns), info.device, info.inode};
  return absl::WebSafeBase64Escape(
      absl::string_view(reinterpret_cast<const char*>(fields), sizeof(fields)));
}

absl::StatusOr<ObjectInfo> InfoOf(int fd, absl::string_view uri) {
  // The system call itself: glibc's fstat() goes through newfstatat(2), which looks at an empty
  // path first and takes a fifth longer. On 64-bit machines the kernel fills struct stat as it is.
  static_assert(sizeof(long) == 8);
  struct stat status;
  if (syscall(SYS_fstat, fd, &status) != 0) {
    return net::ErrnoToStatus(errno, absl::StrCat("stat ", QuotedUri(uri)));
  }
  if (!S_ISREG(status.st_mode)) {
    return absl::Status(S_ISDIR(status.st_mode) ? absl::StatusCode::kFailedPrecondition
                                                : absl::StatusCode::kPermissionDenied,
                        absl::StrCat("open ", QuotedUri(uri), ": it is ", KindOf(status.st_mode),
                                     ", not an object"));
  }
  if (status.st_blocks == 0 && IsMadeUp(fd, status.st_dev)) {
    return absl::PermissionDeniedError(
        absl::StrCat("open ", QuotedUri(uri),
                     ": the kernel generates this file when it is read, so its size is not "
                     "reliable and it is not an object"));
  }
  ObjectInfo info;
  if (MayExpire(status.st_mode)) {
    const std::optional<int64_t> expires_s = ExpiryOf(fd);
    if (IsPast(expires_s))
      return absl::NotFoundError(absl::StrCat("open ", QuotedUri(uri), ": it has expired"));
    info.expires_s = expires_s.value_or(0);
  }
  info.size = static_cast<uint64_t>(status.st_size);
  info.mtime_s = status.st_mtim.tv_sec;  // the nanoseconds go on from there, before the epoch too
  info.mtime_ns = NanosecondsOf(status.st_mtim);
  info.ctime_ns = NanosecondsOf(status.st_ctim);
  info.device = status.st_dev;
  info.inode = status.st_ino;
  return info;
}

}  // namespace objmapper::storage
