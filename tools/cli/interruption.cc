// Blocks the signals and reads them from a signalfd(2).
#include "tools/cli/interruption.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <utility>

namespace objmapper::tools {
namespace {

// Of the two, those that would end the program. What is blocked would be queued though it is
// ignored (signal(7)).
sigset_t NotIgnored() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM}) {
    struct sigaction action {};
    if (sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_DFL)
      sigaddset(&signals, number);
  }
  return signals;
}

}  // namespace

Interruption::Interruption(std::function<void()> say) {
  const sigset_t signals = NotIgnored();
  signals_.Reset(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) return;  // no descriptors: they end the program without a word
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  thread_ = std::thread([this, say = std::move(say)] { Wait(say); });
}

Interruption::~Interruption() {
  if (!thread_.joinable()) return;
  over_.Signal();
  thread_.join();
  const sigset_t signals = NotIgnored();
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

void Interruption::Wait(const std::function<void()>& say) {
  while (true) {
    pollfd polled[] = {{signals_.get(), POLLIN, 0}, {over_.fd(), POLLIN, 0}};
    if (poll(polled, 2, -1) < 0) continue;  // EINTR
    if (polled[1].revents != 0) return;
    signalfd_siginfo info;
    if (read(signals_.get(), &info, sizeof(info)) != sizeof(info)) continue;
    say();
    const int number = static_cast<int>(info.ssi_signo);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
    raise(number);
    _exit(128 + number);  // not reached
  }
}

}  // namespace objmapper::tools
