// A child that is killed at each of its system calls in turn, before it and after it.
//
//   for (int n = 0; KilledAt(n, [] { ... }); ++n) ...   // look at what it has left
//
// How it works: the child asks to be traced and stops; its parent lets it run from one edge of a
// system call to the next (PTRACE_SYSCALL) and kills it at the n-th, for n = 0, 1, ..., until the
// child comes to its end unharmed. Every state that the disk can be in between two system calls is
// seen. What the loss of power does to what the kernel has not written back is not.
#pragma once

#include <glog/logging.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace objmapper::net {

// Whether a process may trace its child here.
inline bool MayTrace() {
  const pid_t child = fork();
  PCHECK(child >= 0) << "fork";
  if (child == 0) _exit(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0 ? 0 : 77);
  int status;
  PCHECK(waitpid(child, &status, 0) == child);
  return WEXITSTATUS(status) != 77;
}

// Runs `act` in a child that is killed at the n-th edge of a system call. False: it came to its end
// before.
inline bool KilledAt(int n, const std::function<void()>& act) {
  const pid_t child = fork();
  PCHECK(child >= 0) << "fork";
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(77);
    raise(SIGSTOP);
    act();
    _exit(0);
  }
  int status;
  PCHECK(waitpid(child, &status, 0) == child);
  for (int edge = 0; WIFSTOPPED(status); ++edge) {
    if (edge == n) {
      kill(child, SIGKILL);
      PCHECK(waitpid(child, &status, 0) == child);
      CHECK(WIFSIGNALED(status));
      return true;
    }
    PCHECK(ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0);
    PCHECK(waitpid(child, &status, 0) == child);
  }
  CHECK(WIFEXITED(status));
  CHECK_EQ(WEXITSTATUS(status), 0) << "the child could not do what it was to do";
  return false;
}

}  // namespace objmapper::net
