// Calls that raise SIGPIPE and have no flag against it.
#pragma once

#include <signal.h>

namespace objmapper::client {

// While it lives, SIGPIPE does not reach the thread that made it: sendfile(2) on a socket whose
// peer has gone then fails with EPIPE alone. A library must not change the whole process's
// handling. One that was pending before stays pending; one that came meanwhile is taken away.
class SigpipeBlock {
 public:
  SigpipeBlock() {
    sigset_t pending;
    sigemptyset(&set_);
    sigaddset(&set_, SIGPIPE);
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~SigpipeBlock() {
    constexpr timespec kNow{};
    if (!was_pending_) sigtimedwait(&set_, nullptr, &kNow);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SigpipeBlock(const SigpipeBlock&) = delete;
  SigpipeBlock& operator=(const SigpipeBlock&) = delete;

 private:
  sigset_t set_;
  sigset_t before_;
  bool was_pending_ = false;
};

}  // namespace objmapper::client
