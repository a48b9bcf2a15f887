// Closes the descriptor. close(2) is never retried on EINTR, since Linux has freed the number by
// then; EBADF means that other code has closed it, and ends the process.
#include "net/unique_fd.h"

#include <errno.h>
#include <glog/logging.h>
#include <unistd.h>

namespace objmapper::net {

void UniqueFd::Reset(int fd) {
  CHECK(fd < 0 || fd != fd_) << "descriptor " << fd << " given to its own owner again";
  const int old = std::exchange(fd_, fd);
  if (old < 0) return;
  // The caller may be about to look at errno of the call that failed before.
  const int saved_errno = errno;
  if (close(old) != 0)
    CHECK_NE(errno, EBADF) << "descriptor " << old << " was closed by other code";
  errno = saved_errno;
}

}  // namespace objmapper::net
