// Blocked signals that the main thread reads from a signalfd(2); signals that would end or stop the
// process by default are ignored.
#include "server/signals.h"

#include <glog/logging.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "absl/time/clock.h"
#include "net/clock.h"
#include "server/log_writer.h"

namespace objmapper::server {
namespace {

// Each would end the process, or stop it, for no reason of ours. SIGPIPE: a client that has gone
// shows itself as EPIPE, and splice(2) has no MSG_NOSIGNAL. SIGXFSZ: an object past RLIMIT_FSIZE is
// EFBIG for who stores it. SIGTTOU, SIGTTIN: a server in the background of a terminal logs to it.
constexpr int kIgnored[] = {SIGPIPE, SIGXFSZ, SIGALRM,   SIGVTALRM, SIGPROF,
                            SIGIO,   SIGPWR,  SIGSTKFLT, SIGTTOU,   SIGTTIN};

sigset_t AllRead() {
  sigset_t signals = StopSignals();
  for (const int number : {SIGXCPU, SIGHUP, SIGUSR1}) sigaddset(&signals, number);
  return signals;
}

// The first realtime signals are glibc's, which sigaction(3) does not touch: it installs handlers
// when it needs them, and those look at who sent it. Until then a signal from outside would end us.
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

int AwaitStopAtOnce(bool asked) {
  constexpr int64_t kOneWordNs = 1'000'000'000;
  const sigset_t signals = StopSignals();
  int number = 0;
  if (!asked) {
    sigwait(&signals, &number);
    LOG(INFO) << strsignal(number)
              << ": already stopping; another one, a second or more from now, stops at once";
  }
  // At least once, however late this thread is: what has come by then came with the first.
  const int64_t until_ns = net::NowNs() + kOneWordNs;
  int64_t left_ns = kOneWordNs;
  do {
    const timespec left{left_ns / 1'000'000'000, left_ns % 1'000'000'000};
    if ((number = sigtimedwait(&signals, nullptr, &left)) > 0) {
      LOG(INFO) << strsignal(number) << ": within a second of the first, and ignored";
    }
    left_ns = std::max<int64_t>(0, until_ns - net::NowNs());
  } while (left_ns > 0 || number > 0);
  sigwait(&signals, &number);
  return number;
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
  sigset_t first = StopSignals();
  sigaddset(&first, SIGXCPU);
  const timespec at_once{};
  if (const int number = sigtimedwait(&first, nullptr, &at_once); number > 0) return number;
  signalfd_siginfo info;
  return read(fd_.get(), &info, sizeof(info)) == sizeof(info) ? static_cast<int>(info.ssi_signo)
                                                              : 0;
}

StartWatch::StartWatch(absl::Duration patience) {
  const sigset_t signals = StopSignals();
  stop_signals_.Reset(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  PCHECK(stop_signals_.valid()) << "signalfd";
  thread_ = std::thread([this, patience] {
    pthread_setname_np(pthread_self(), "start");
    Run(patience);
  });
}

StartWatch::~StartWatch() {
  over_.Signal();
  thread_.join();
}

void StartWatch::Run(absl::Duration patience) {
  pollfd polled[] = {{over_.fd(), POLLIN, 0}, {stop_signals_.get(), POLLIN, 0}};
  while (poll(polled, 2, -1) < 0) {
  }
  if (polled[0].revents != 0) return;
  const absl::Time until = absl::Now() + patience;
  while (absl::Now() < until) {
    // what fits into poll's milliseconds
    const absl::Duration most = std::min(until - absl::Now(), absl::Hours(1));
    if (poll(polled, 1, static_cast<int>(absl::ToInt64Milliseconds(most)) + 1) > 0) return;
  }
  LOG(ERROR) << "stopped during the start, which took longer than --drain_timeout";
  FlushLog(kLogPatience);
  _exit(130);
}

}  // namespace objmapper::server
