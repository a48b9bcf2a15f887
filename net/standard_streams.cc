// Opens /dev/null on descriptors 0, 1 and 2 if they are closed, before any other descriptor gets
// their numbers.
#include "net/standard_streams.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

namespace objmapper::net {

int HoldStandardStreams() {
  int closed = 0;
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // open(2) returns the lowest number that is free, and all below are taken. Not O_CLOEXEC: a
    // program that we start has the same right to them.
    int got = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    // A chroot without devices. O_PATH can be neither read nor written.
    if (got < 0) got = open("/", O_PATH | O_DIRECTORY);
    if (got != fd) _exit(127);
    closed |= 1 << fd;
  }
  return closed;
}

bool StandardOutputIsOpen() {
  const int flags = fcntl(STDOUT_FILENO, F_GETFL);
  return flags >= 0 && (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_RDONLY;
}

}  // namespace objmapper::net
