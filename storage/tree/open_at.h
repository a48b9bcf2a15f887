// openat2(2), which glibc has no wrapper for before 2.42.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace objmapper::storage {

// flags: as open(2), close-on-exec always. resolve: RESOLVE_... Returns as open(2); EINTR (FUSE,
// NFS) is retried.
inline int OpenAt2(int directory, const char* path, int flags, uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags) | O_CLOEXEC;
  how.resolve = resolve;
  return static_cast<int>(
      TEMP_FAILURE_RETRY(syscall(SYS_openat2, directory, path, &how, sizeof(how))));
}

// The same of what is below `root`, by a way of which no part is a symbolic link, the last one
// included. A way that is being renamed (EAGAIN) is tried again.
inline int OpenPlain(int root, const char* path, int flags) {
  int fd;
  do {
    fd = OpenAt2(root, path, flags | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  } while (fd < 0 && errno == EAGAIN);
  return fd;
}

}  // namespace objmapper::storage
