// What each signal does to the server; docs/operations.md has the table.
//
//   PrepareSignals();                     // main(), before any thread
//   SignalQueue signals;
//   ... poll(2) on signals.fd() ...
//   const int number = signals.Take();    // SIGTERM, SIGHUP, ...
//
// Nobody but the kernel and the operator says anything by a signal: what the server has to tell
// itself goes another way, so that a kill(1) from outside can ask for nothing that is not in the
// table.
#pragma once

#include <signal.h>

#include <thread>

#include "absl/time/time.h"
#include "net/event_fd.h"
#include "net/unique_fd.h"

namespace objmapper::server {

// In this thread and those it starts: blocks the signals that SignalQueue reads, and ignores all
// others whose default would end or stop the process, realtime ones too. As they were: SIGKILL and
// SIGSTOP, Ctrl-Z (SIGTSTP), and those by which the kernel says that the program is broken
// (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP, SIGABRT).
void PrepareSignals();

// SIGTERM, SIGINT and SIGQUIT: the operator wants an end; again while it drains: at once.
sigset_t StopSignals();

// Waits until an operator who has asked for an end wants it at once: for a stop signal that comes a
// second or more after the first one. What comes before belongs to the first: timeout(1) sends two,
// one to its child and one to its group, and so does who presses Ctrl-C on a script and what it
// started. Returns that signal's number. A thread of its own; after PrepareSignals().
//
// asked: whether the first one has been taken; if not (it ends since another server takes over) the
// first is waited for too.
int AwaitStopAtOnce(bool asked);

// The signals that PrepareSignals() has blocked, one after the other. One thread.
class SignalQueue {
 public:
  // Fatal when the process has no descriptor left: made at start, before there are clients.
  SignalQueue();

  // Readable while there is one to take.
  int fd() const { return fd_.get(); }
  // StopSignals(), SIGXCPU (the soft limit of CPU time is used up), SIGHUP or SIGUSR1; 0: there is
  // none now. Of several, one that stops comes first: somebody who sends SIGUSR1 without a pause
  // holds nothing up.
  int Take();

 private:
  net::UniqueFd fd_;
};

// While it lives, a stop signal that is not taken within `patience` ends the process, with 130: for
// a start that hangs, on a dead file system or a predecessor that says nothing. The signal stays
// for SignalQueue.
class StartWatch {
 public:
  explicit StartWatch(absl::Duration patience);
  ~StartWatch();

 private:
  void Run(absl::Duration patience);

  net::EventFd over_;
  net::UniqueFd stop_signals_;
  std::thread thread_;
};

}  // namespace objmapper::server
