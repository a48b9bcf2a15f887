// epoll(7). An error other than EINTR, and ENOSPC or ENOMEM from Add(), is a programming error, and
// ends the process.
#include "net/epoll.h"

#include <errno.h>
#include <glog/logging.h>

namespace objmapper::net {

Epoll::Epoll() : fd_(epoll_create1(EPOLL_CLOEXEC)) { PCHECK(fd_.valid()) << "epoll_create1"; }

int Epoll::Add(int fd, uint32_t events, void* tag) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = tag;
  return epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

void Epoll::Modify(int fd, uint32_t events, void* tag) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = tag;
  PCHECK(epoll_ctl(fd_.get(), EPOLL_CTL_MOD, fd, &event) == 0) << "epoll_ctl MOD " << fd;
}

void Epoll::Remove(int fd) {
  PCHECK(epoll_ctl(fd_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0) << "epoll_ctl DEL " << fd;
}

int Epoll::Set(int fd, uint32_t events, void* tag) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = tag;
  if (epoll_ctl(fd_.get(), EPOLL_CTL_MOD, fd, &event) == 0) return 0;
  return errno == ENOENT ? Add(fd, events, tag) : errno;
}

void Epoll::Forget(int fd) {
  PCHECK(epoll_ctl(fd_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0 || errno == EBADF || errno == ENOENT)
      << "epoll_ctl DEL " << fd;
}

absl::Span<epoll_event> Epoll::Wait(int timeout_ms) {
  const int n = epoll_wait(fd_.get(), events_, kEventsMax, timeout_ms);
  if (n < 0) {
    PCHECK(errno == EINTR) << "epoll_wait";
    return {};
  }
  return absl::Span<epoll_event>(events_, static_cast<size_t>(n));
}

}  // namespace objmapper::net
