// Makes, recognizes and locks reserved names. A name whose lock is free belongs to no living
// process.
#include "storage/tree/reserved_name.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "net/unique_fd.h"

namespace objmapper::storage {

bool HasReservedName(absl::string_view uri) {
  for (size_t at = uri.find(kReservedPrefix); at != uri.npos;
       at = uri.find(kReservedPrefix, at + 1)) {
    if (at == 0 || uri[at - 1] == '/') return true;
  }
  return false;
}

std::string NewReservedName() {
  static std::atomic<uint64_t> count{0};
  // The time: a process number comes again, in another container or after a restart.
  return absl::StrCat(kReservedPrefix, getpid(), "-", net::NowNs(), "-", count.fetch_add(1));
}

bool LockReserved(int fd) { return TEMP_FAILURE_RETRY(flock(fd, LOCK_EX | LOCK_NB)) == 0; }

bool RemoveIfAbandoned(int directory, const std::string& name) {
  if (name == kOriginFolder) return false;
  const net::UniqueFd fd(
      openat(directory, name.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid() || !LockReserved(fd.get())) return false;
  // A folder on its way to its name (own_folder.h) has it, or is made again.
  return unlinkat(directory, name.c_str(), 0) == 0 ||
         (errno == EISDIR && unlinkat(directory, name.c_str(), AT_REMOVEDIR) == 0);
}

}  // namespace objmapper::storage
