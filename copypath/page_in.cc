// Reads into the page cache by sendfile(2) to /dev/null, which copies nothing; by pread(2) where
// that does not work.
#include "copypath/page_in.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>

#include "copypath/pipe.h"

namespace objmapper::copypath {
namespace {

// Where there is no /dev/null to be had.
int PageInByReading(int fd, uint64_t offset, size_t bytes) {
  char scratch[64 * 1024];
  while (bytes > 0) {
    const ssize_t got =
        pread(fd, scratch, std::min(bytes, sizeof(scratch)), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return 0;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
  return 0;
}

}  // namespace

int PageIn(int fd, uint64_t offset, size_t bytes) {
  if (DevNull() < 0) return PageInByReading(fd, offset, bytes);
  while (bytes > 0) {
    off_t at = static_cast<off_t>(offset);
    const ssize_t moved = sendfile(DevNull(), fd, &at, bytes);
    if (moved < 0 && errno == EINTR) continue;
    // A file system without splice_read.
    if (moved < 0 && errno == EINVAL) return PageInByReading(fd, offset, bytes);
    if (moved < 0) return errno;
    if (moved == 0) return 0;
    offset += static_cast<uint64_t>(moved);
    bytes -= static_cast<size_t>(moved);
  }
  return 0;
}

}  // namespace objmapper::copypath
