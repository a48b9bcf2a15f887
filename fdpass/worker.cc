// A worker's thread: its beginning, its end, and what others may ask of it in between.
#include "fdpass/worker.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <future>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fdpass/lane.h"
#include "storage/tree/slow_opens.h"

namespace objmapper::fdpass {
namespace {

// What Interrupt() sends. Its handler does nothing: that a handler ran is what ends a system call
// (signal(7)).
constexpr int kInterruptSignal = SIGUSR2;

void InstallInterruptHandler() {
  struct sigaction action {};
  action.sa_handler = [](int) {};  // without SA_RESTART
  PCHECK(sigaction(kInterruptSignal, &action, nullptr) == 0) << "sigaction";
}

// The server blocks the signal everywhere else: somebody's kill(1) can do what Interrupt() does,
// and no more.
void LetInterruptIn() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, kInterruptSignal);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

}  // namespace

absl::Status Worker::Start(int number, Engine engine) {
  InstallInterruptHandler();
  number_ = number;
  if (lane_ != nullptr) part_ = {&lane_->packing(), lane_->packing().changes()};
  std::promise<absl::Status> started;
  thread_.Start(absl::StrCat("fdpass/", number), [this, engine, &started] {
    LetInterruptIn();
    schedstat_.Reset(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC));
    absl::StatusOr<std::unique_ptr<Kernel>> kernel = engine == Engine::kUring
                                                         ? MakeUringKernel(thread_.event_fd())
                                                         : MakeEpollKernel(thread_.event_fd());
    started.set_value(kernel.status());
    if (kernel.ok()) Run(kernel->get());
  });
  absl::Status status = started.get_future().get();
  if (!status.ok()) thread_.Stop();
  return status;
}

void Worker::Run(Kernel* kernel) {
  // A name that was an object a moment ago can have become a FIFO, and opening that blocks.
  const storage::SlowOpens::Watched watched(&options_.tree->slow_opens(), [this, kernel] {
    kernel->CutShort();
    Interrupt();
  });
  Round round(
      options_, kernel, [this] { thread_.Wake(); }, &counters_, &load_);
  while (true) {
    if (round.Go(part_)) {
      for (auto& session : thread_.TakeAll()) round.Welcome(std::move(session));
    }
    if (lane_ != nullptr) KeepTogether(&round);
    const net::ServingPhase asked = thread_.Beat();
    if (asked == net::ServingPhase::kStopping) break;
    if (asked == net::ServingPhase::kDraining && thread_.Enter(asked)) round.Drain();
  }
}

// Takes the lane's sample if that is due, and gives connections to the other workers when another
// number of them is in use.
void Worker::KeepTogether(Round* round) {
  lane_->Look(round->now_ns());
  const uint32_t changes = lane_->packing().changes();
  if (changes != part_.changes) {
    part_.changes = changes;
    part_.surplus = lane_->SurplusOf(*this);
  }
  // Somebody may still give it some, who has not seen that it is not in use any more.
  if (number_ >= lane_->in_use()) part_.surplus = load();
  if (part_.surplus == 0) return;
  part_.surplus -= round->GiveAway(
      part_.surplus,
      [this](std::unique_ptr<session::Session> session) { lane_->Adopt(std::move(session)); });
}

uint64_t Worker::busy_ns() const {
  // Documentation/scheduler/sched-stats.rst: time on a processor, time waited for one.
  char text[64];
  const ssize_t got = pread(schedstat_.get(), text, sizeof(text) - 1, 0);
  unsigned long long ran = 0, waited = 0;
  if (got > 0) {
    text[got] = '\0';
    sscanf(text, "%llu %llu", &ran, &waited);
  }
  return ran + waited;
}

void Worker::Interrupt() { pthread_kill(thread_.native_handle(), kInterruptSignal); }

}  // namespace objmapper::fdpass
