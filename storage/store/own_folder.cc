// Directories with the server's mark. One appears under its name with the mark already on it, so a
// killed server recognizes its own.
#include "storage/store/own_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <set>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "net/mutex.h"
#include "storage/tree/reserved_name.h"

namespace objmapper::storage {
namespace {

constexpr char kMade[] = "user.objmapper.made";
// How often one that who removes leftovers has met is made again.
constexpr int kAttemptsMax = 8;

// A file system may give the number of what was removed to what is made next: the time of birth
// tells them apart, where it is known.
using Identity = std::tuple<uint64_t, uint64_t, int64_t, uint32_t>;

std::optional<Identity> IdentityOf(int above, const std::string& name) {
  struct statx status;
  if (statx(above, name.c_str(), AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &status) != 0)
    return std::nullopt;
  if ((status.stx_mask & STATX_BTIME) == 0) status.stx_btime = {};
  return Identity{uint64_t{status.stx_dev_major} << 32 | status.stx_dev_minor, status.stx_ino,
                  status.stx_btime.tv_sec, status.stx_btime.tv_nsec};
}

// What could not be marked.
class Remembered {
 public:
  void Add(int above, const std::string& name) {
    const std::optional<Identity> identity = IdentityOf(above, name);
    const net::MutexLock lock(&mutex_);
    if (identity.has_value() && known_.size() < kRememberedMax) known_.insert(*identity);
  }
  // nullopt: it is none of them.
  std::optional<Identity> Find(int above, const std::string& name) {
    {
      const net::MutexLock lock(&mutex_);
      if (known_.empty()) return std::nullopt;
    }
    const std::optional<Identity> identity = IdentityOf(above, name);
    const net::MutexLock lock(&mutex_);
    return identity.has_value() && known_.contains(*identity) ? identity : std::nullopt;
  }
  void Forget(const std::optional<Identity>& identity) {
    if (!identity.has_value()) return;
    const net::MutexLock lock(&mutex_);
    known_.erase(*identity);
  }

 private:
  net::Mutex mutex_;
  std::set<Identity> known_ GUARDED_BY(mutex_);
};

Remembered& Unmarked() {
  static auto* const remembered = new Remembered;
  return *remembered;
}

// By way of /proc, since `above` may be of O_PATH. The last component is not followed.
std::string PathOf(int above, const std::string& name) {
  return absl::StrCat("/proc/self/fd/", above, "/", name);
}

void Mark(int above, const std::string& name) {
  if (lsetxattr(PathOf(above, name).c_str(), kMade, "", 0, 0) != 0) Unmarked().Add(above, name);
}

}  // namespace

int MakeFolder(int above, const std::string& name) {
  struct stat status;
  if (fstatat(above, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return EEXIST;
  if (errno == ENAMETOOLONG) return errno;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const std::string reserved = NewReservedName();
    if (mkdirat(above, reserved.c_str(), 0777) != 0) return errno;
    Mark(above, reserved);
    // Never over an empty folder, which plain rename(2) would replace.
    if (renameat2(above, reserved.c_str(), above, name.c_str(), RENAME_NOREPLACE) == 0) return 0;
    const int error = errno;
    Unmarked().Forget(Unmarked().Find(above, reserved));
    const bool there = unlinkat(above, reserved.c_str(), AT_REMOVEDIR) == 0;
    if (error == ENOENT && !there) continue;
    if (error != EINVAL && error != ENOSYS) return error;
    // A file system without RENAME_NOREPLACE: there the mark comes a moment after the name.
    if (mkdirat(above, name.c_str(), 0777) != 0) return errno;
    Mark(above, name);
    return 0;
  }
  return ENOENT;
}

int RemoveFolder(int above, const std::string& name) {
  std::optional<Identity> unmarked;
  if (lgetxattr(PathOf(above, name).c_str(), kMade, nullptr, 0) < 0) {
    if (errno == ENOENT || errno == ENAMETOOLONG) return errno;
    unmarked = Unmarked().Find(above, name);
    if (!unmarked.has_value()) return EPERM;
  }
  if (unlinkat(above, name.c_str(), AT_REMOVEDIR) != 0) return errno;
  Unmarked().Forget(unmarked);
  return 0;
}

}  // namespace objmapper::storage
