// Closes the descriptor. close(2) is never retried on EINTR, since Linux has freed the number by
// then; EBADF means that other code has closed it, and ends the process.
#include "net/unique_fd.h"

#include <errno.h>
#include <glog/logging.h>
#include <unistd.h>

namespace objmapper::net {

void UniqueFd::Close(int next) const {
  CHECK_NE(next, fd_) << "descriptor " << next << " given to its own owner again";
  // The caller may be about to look at errno of the call that failed before.
  const int saved_errno = errno;
  if (close(fd_) != 0)
    CHECK_NE(errno, EBADF) << "descriptor " << fd_ << " was closed by other code";
  errno = saved_errno;
}

}  // namespace objmapper::net
