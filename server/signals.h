// What each signal does to the server; docs/operations.md has the table.
//
//   PrepareSignals();                     // main(), before any thread
//   SignalQueue signals;
//   ... poll(2) on signals.fd() ...
//   const int number = signals.Take();    // SIGTERM, SIGHUP, ...
//
// Nobody but the kernel and the operator says anything by a signal: what the server has to tell itself goes another way,
// so that a kill(1) from outside can ask for nothing that is not in the table.
#pragma once

#include <signal.h>

#include "net/unique_fd.h"

namespace objmapper::server {

// In this thread and those it starts: blocks the signals that SignalQueue reads, and ignores all others whose default
// would end or stop the process, realtime ones too. As they were: SIGKILL and SIGSTOP, Ctrl-Z (SIGTSTP), and those by
// which the kernel says that the program is broken (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP, SIGABRT).
void PrepareSignals();

// SIGTERM, SIGINT and SIGQUIT: the operator wants an end; again while it drains: at once.
sigset_t StopSignals();

// The signals that PrepareSignals() has blocked, one after the other. One thread.
class SignalQueue {
 public:
  // Fatal when the process has no descriptor left: made at start, before there are clients.
  SignalQueue();

  // Readable while there is one to take.
  int fd() const { return fd_.get(); }
  // StopSignals(), SIGXCPU (the soft limit of CPU time is used up), SIGHUP or SIGUSR1; 0: there is none now.
  int Take();

 private:
  net::UniqueFd fd_;
};

}  // namespace objmapper::server
