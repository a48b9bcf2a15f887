// An eventfd(2): the descriptor that wakes an event loop. Thread-safe.
#pragma once

#include "net/unique_fd.h"

namespace objmapper::net {

class EventFd {
 public:
  // Fatal when the process has no descriptor left: made at start, before there are clients.
  EventFd();

  void Signal();  // makes fd() readable
  void Clear();   // makes it unreadable; never blocks
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

}  // namespace objmapper::net
