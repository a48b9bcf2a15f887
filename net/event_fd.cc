// An eventfd(2). Signalling never blocks: a counter at its maximum wakes the loop just as well.
#include "net/event_fd.h"

#include <errno.h>
#include <glog/logging.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

namespace objmapper::net {

EventFd::EventFd() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  PCHECK(fd_.valid()) << "eventfd";
}

void EventFd::Signal() {
  const uint64_t one = 1;
  const ssize_t written = TEMP_FAILURE_RETRY(write(fd_.get(), &one, sizeof(one)));
  // EAGAIN: the counter is at its maximum, so the loop is woken all the same (eventfd(2)).
  PCHECK(written == sizeof(one) || errno == EAGAIN) << "write to eventfd";
}

void EventFd::Clear() {
  uint64_t count;
  const ssize_t got = TEMP_FAILURE_RETRY(read(fd_.get(), &count, sizeof(count)));
  PCHECK(got == sizeof(count) || errno == EAGAIN) << "read from eventfd";
}

}  // namespace objmapper::net
