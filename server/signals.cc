#include "server/signals.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include <glog/logging.h>

namespace objmapper::server {
namespace {

// Each would end the process, or stop it, for no reason of ours. SIGPIPE: a client that has gone shows itself as EPIPE, and
// splice(2) has no MSG_NOSIGNAL. SIGXFSZ: an object past RLIMIT_FSIZE is EFBIG for who stores it. SIGTTOU, SIGTTIN: a
// server in the background of a terminal logs to it.
constexpr int kIgnored[] = {SIGPIPE, SIGXFSZ, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT, SIGTTOU, SIGTTIN};

sigset_t AllRead() {
  sigset_t signals = StopSignals();
  for (const int number : {SIGXCPU, SIGHUP, SIGUSR1}) sigaddset(&signals, number);
  return signals;
}

// The first realtime signals are glibc's, which sigaction(3) does not touch: it installs handlers when it needs them, and
// those look at who sent it. Until then a signal from outside would end us.
void IgnoreUnlessUsed(int number) {
  struct KernelAction {  // rt_sigaction(2)
    uintptr_t handler;
    unsigned long flags;
    uintptr_t restorer;
    uint64_t mask;
  } action{};
  if (syscall(SYS_rt_sigaction, number, nullptr, &action, sizeof(action.mask)) != 0) return;
  if (action.handler != reinterpret_cast<uintptr_t>(SIG_DFL)) return;
  action = {reinterpret_cast<uintptr_t>(SIG_IGN), 0, 0, 0};
  syscall(SYS_rt_sigaction, number, &action, nullptr, sizeof(action.mask));
}

}  // namespace

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGQUIT}) sigaddset(&signals, number);
  return signals;
}

void PrepareSignals() {
  for (const int number : kIgnored) signal(number, SIG_IGN);
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) signal(number, SIG_IGN);
  for (int number = __SIGRTMIN; number < SIGRTMIN; ++number) IgnoreUnlessUsed(number);
  signal(SIGUSR2, SIG_IGN);
  sigset_t blocked = AllRead();
  // fdpass/worker.cc interrupts a worker with it, and lets it in there alone.
  sigaddset(&blocked, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
}

SignalQueue::SignalQueue() {
  const sigset_t signals = AllRead();
  fd_.Reset(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  PCHECK(fd_.valid()) << "signalfd";
}

int SignalQueue::Take() {
  signalfd_siginfo info;
  return read(fd_.get(), &info, sizeof(info)) == sizeof(info) ? static_cast<int>(info.ssi_signo) : 0;
}

}  // namespace objmapper::server
