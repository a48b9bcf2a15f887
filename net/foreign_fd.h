// A descriptor of a peer's choosing that has been let into this process (net/foreign_kind.h), or a
// socket on whose unread bytes others may ride.
//
// Whoever drops the last reference to a file may have to wait: for a TCP peer that does not
// acknowledge (SO_LINGER), for gigabytes of memory to be freed, some of it beyond SIGKILL. So it is
// never closed here while it might be the last: a process that may hang (net/expendable.h) gets it
// first.
#pragma once

#include <utility>

#include "net/unique_fd.h"

namespace objmapper::net {

// Lets go of `fd` without ever waiting for it. Any thread. Without the expendable process
// (StartExpendable() was not called, as in clients and most tests) it is closed like any other.
void Dispose(UniqueFd fd);

// Lets go of a Unix socket: first of what is unread in it, on which descriptors may ride. Nothing
// more can be sent to it from then on.
void DisposeSocket(UniqueFd socket);

// Of a file of so many bytes the last close(2) frees enough to be noticed: pages of memory, or
// blocks of the disk.
inline constexpr unsigned long kLargeFileBytes = 64ul * 1024 * 1024;

// As UniqueFd, but lets go by Dispose().
class ForeignFd {
 public:
  ForeignFd() = default;
  ForeignFd(UniqueFd fd) : fd_(std::move(fd)) {}  // not explicit: whoever has it may make it so
  ForeignFd(ForeignFd&& other) noexcept = default;
  ForeignFd& operator=(ForeignFd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::move(other.fd_);
    }
    return *this;
  }
  ForeignFd(const ForeignFd&) = delete;
  ForeignFd& operator=(const ForeignFd&) = delete;
  ~ForeignFd() { Reset(); }

  bool valid() const { return fd_.valid(); }
  int get() const { return fd_.get(); }
  void Reset() {
    if (fd_.valid()) Dispose(std::move(fd_));
  }
  // For whoever has shown that its end cannot be waited for, or waits where nobody minds.
  [[nodiscard]] UniqueFd Release() { return std::move(fd_); }

 private:
  UniqueFd fd_;
};

}  // namespace objmapper::net
