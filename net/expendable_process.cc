// The expendable processes themselves: one supervisor, and workers that it forks and kills. They
// share one page of slots with the server and hold none of its listeners or connections.
#include "net/expendable_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "net/clock.h"
#include "net/scm_rights.h"

namespace objmapper::net {
namespace {

// How long one close(2) may take before its worker is killed: then a TCP socket lingers no more,
// and whatever else goes on.
constexpr int64_t kClosePatienceNs = 2'000'000'000;
// How long the server may take to close its own: it does nothing else in between.
constexpr int64_t kServerPatienceNs = 3600'000'000'000;
// How long all of a kind are at work, with a message waiting, before there is one more of them.
constexpr int64_t kCrowdedNs = 20'000'000;
constexpr int64_t kTickNs = 100'000'000;
constexpr int64_t kLivelyNs = 1'000'000'000;
// A worker with nothing to do for so long ends.
constexpr timeval kIdle{30, 0};
// How long workers may go on with what they have when the server has ended.
constexpr int64_t kFarewellNs = 500'000'000;

// ---- A worker ----

class Worker {
 public:
  Worker(ExpendableShared* shared, int kind, ExpendableSlot* slot, int socket, int wake,
         const ExpendableTask& task, const ForeignJudge& judge)
      : shared_(shared),
        kind_(kind),
        slot_(slot),
        socket_(socket),
        wake_(wake),
        task_(task),
        judge_(judge) {}

  [[noreturn]] void Run() {
    while (true) {
      char bytes[sizeof(ExpendableHeader) + kTaskBytesMax];
      std::vector<UniqueFd> fds;
      bool lost = false;
      const ssize_t got = RecvAllFds(socket_, absl::MakeSpan(bytes), /*flags=*/0, &fds, &lost);
      if (got <= 0) _exit(0);  // the server has ended, or has had nothing for us for long
      ExpendableHeader header;
      memcpy(&header, bytes, sizeof(header));
      if (kind_ == kCloser) {
        Begin(kServerPatienceNs);
        AwaitServer(header.ticket);
        for (UniqueFd& fd : fds) {
          slot_->until_ns.store(NowNs() + kClosePatienceNs);
          fd.Reset();
        }
      } else if (!lost && header.receive_bytes > 0 && fds.size() == 2) {
        Receive(header, fds[0].get(), fds[1].get());
        fds.clear();
      } else if (!lost && !fds.empty()) {
        Do(header,
           absl::string_view(bytes + sizeof(header), static_cast<size_t>(got) - sizeof(header)),
           &fds);
      }
      slot_->until_ns.store(0);
    }
  }

 private:
  void Begin(int64_t patience_ns) {
    const int64_t now_ns = NowNs();
    const bool idled =
        slot_->until_ns.exchange(now_ns + std::min(patience_ns, INT64_MAX - now_ns)) == 0;
    if (!idled) return;
    // The supervisor looks after those who are at work, and has to know when there is nobody else.
    if (shared_->asleep.exchange(false) || !shared_->AnyIdle(kind_)) {
      const char byte = '!';
      [[maybe_unused]] const ssize_t written = write(wake_, &byte, 1);  // full: it is about to look
    }
  }

  // Waits until the server has closed its own. It does so right after sending; should it end
  // instead, so do we.
  void AwaitServer(int32_t ticket) {
    if (ticket < 0 || ticket >= kTickets) {
      while (true) pause();
    }
    std::atomic<Ticket>& state = shared_->tickets[ticket];
    while (state.load() != Ticket::kClosedHere) usleep(100);
    state.store(Ticket::kFree);
  }

  void Receive(const ExpendableHeader& header, int answer_to, int from) {
    Begin(header.patience_ns);
    std::string answer(
        sizeof(ReceiptHeader) + std::min(header.receive_bytes, uint64_t{kReceiveBytesMax}), '\0');
    std::vector<UniqueFd> fds;
    ReceiptHeader receipt;
    const ssize_t got = RecvAllFds(from, absl::MakeSpan(answer).subspan(sizeof(receipt)),
                                   MSG_DONTWAIT, &fds, &receipt.lost);
    receipt.result = got < 0 ? -errno : got;
    receipt.fds = static_cast<uint32_t>(fds.size());
    memcpy(answer.data(), &receipt, sizeof(receipt));
    answer.resize(sizeof(receipt) + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    SendWithFds(answer_to, answer, {});
    if (fds.size() == 1) {
      slot_->until_ns.store(NowNs() + header.patience_ns);
      receipt.verdict = judge_(fds[0].get());
      const int fd = fds[0].get();
      SendWithFds(answer_to,
                  absl::string_view(reinterpret_cast<const char*>(&receipt), sizeof(receipt)),
                  absl::MakeConstSpan(&fd, receipt.verdict == 0 ? 1 : 0));
    }
    for (UniqueFd& fd : fds) {
      slot_->until_ns.store(NowNs() + kClosePatienceNs);
      fd.Reset();
    }
  }

  void Do(const ExpendableHeader& header, absl::string_view request, std::vector<UniqueFd>* fds) {
    const UniqueFd answer_to = std::move(fds->front());
    fds->erase(fds->begin());
    std::vector<int> borrowed;
    for (const UniqueFd& fd : *fds) borrowed.push_back(fd.get());
    const auto go_on = [&] {
      slot_->until_ns.store(NowNs() + header.patience_ns);
      // Full: it has been told often enough. Else nobody reads it any more.
      return SendWithFds(answer_to.get(), ".", {}) == 1 || errno == EAGAIN;
    };
    Begin(header.patience_ns);
    if (go_on()) {
      const std::string answer = "=" + task_(request, borrowed, go_on);
      // Waits for room behind the signs of life, if need be.
      send(answer_to.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    }
    slot_->until_ns.store(NowNs() + kClosePatienceNs);
    fds->clear();
  }

  ExpendableShared* const shared_;
  const int kind_;
  ExpendableSlot* const slot_;
  const int socket_;
  const int wake_;
  const ExpendableTask& task_;
  const ForeignJudge& judge_;
};

// ---- The supervisor ----

class Supervisor {
 public:
  Supervisor(ExpendableShared* shared, UniqueFd sockets[kExpendableKinds],
             const ExpendableTask& task, const ForeignJudge& judge)
      : shared_(shared), task_(task), judge_(judge) {
    for (int kind = 0; kind < kExpendableKinds; ++kind) {
      sockets_[kind] = std::move(sockets[kind]);
      setsockopt(sockets_[kind].get(), SOL_SOCKET, SO_RCVTIMEO, &kIdle, sizeof(kIdle));
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) _exit(1);
    wake_read_.Reset(ends[0]);
    wake_write_.Reset(ends[1]);
    supervisor_ = getpid();
    // Stop signals come to all of a terminal or of a service (systemd.kill(5)): this one ends with
    // its server.
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    struct sigaction action {};
    action.sa_handler = [](int) {};
    sigaction(SIGCHLD, &action, nullptr);
    sigfillset(&while_waiting_);
    sigdelset(&while_waiting_, SIGCHLD);
  }

  [[noreturn]] void Run() {
    while (true) {
      Reap();
      const int64_t now_ns = NowNs();
      bool busy = false;
      KillLate(now_ns, &busy);
      // Not asleep again at once: else each message of a series would wake it.
      busy |= now_ns < lively_until_ns_;
      int64_t timeout_ns = busy ? kTickNs : -1;
      pollfd polled[kExpendableKinds + 1] = {};
      for (int kind = 0; kind < kExpendableKinds; ++kind) {
        // While somebody idles, the message is theirs to see.
        const bool crowded = !shared_->AnyIdle(kind);
        if (!crowded) crowded_since_ns_[kind] = 0;
        polled[kind] = {sockets_[kind].get(), static_cast<short>(crowded ? POLLIN : 0), 0};
        // A message waits already: it is looked at again in a moment.
        if (crowded && crowded_since_ns_[kind] != 0) {
          polled[kind].events = 0;
          timeout_ns = kCrowdedNs;
        }
      }
      polled[kExpendableKinds] = {wake_read_.get(), POLLIN, 0};
      if (!busy) {
        shared_->asleep.store(true);
        if (AnyAtWork()) continue;  // it began between the two
      }
      timespec timeout{timeout_ns / 1'000'000'000, timeout_ns % 1'000'000'000};
      const int ready =
          ppoll(polled, kExpendableKinds + 1, timeout_ns < 0 ? nullptr : &timeout, &while_waiting_);
      shared_->asleep.store(false);
      char drop[64];
      while (read(wake_read_.get(), drop, sizeof(drop)) > 0) lively_until_ns_ = now_ns + kLivelyNs;
      if (ready < 0) continue;  // a worker has ended
      for (int kind = 0; kind < kExpendableKinds; ++kind) {
        if ((polled[kind].revents & POLLHUP) != 0) End();
        Staff(kind, (polled[kind].revents & POLLIN) != 0);
      }
    }
  }

 private:
  // Those that have been killed are waited for by SIGCHLD alone.
  bool AnyAtWork() const {
    for (const auto& slots : shared_->slots) {
      for (const ExpendableSlot& slot : slots) {
        if (slot.pid.load() != 0 && slot.until_ns.load() != 0 && !slot.killed) return true;
      }
    }
    return false;
  }

  // Starts one more of the kind if a message waits and nobody comes to it.
  void Staff(int kind, bool message_waits) {
    if (shared_->AnyIdle(kind)) {
      crowded_since_ns_[kind] = 0;
      return;
    }
    int workers = 0;
    for (const ExpendableSlot& slot : shared_->slots[kind]) workers += slot.pid.load() != 0;
    const int64_t now_ns = NowNs();
    // The first is at work: a second saves the supervisor being asked each time.
    const bool alone = workers == 1;
    if (crowded_since_ns_[kind] == 0 && message_waits) crowded_since_ns_[kind] = now_ns;
    if (crowded_since_ns_[kind] == 0 && !alone) return;
    if (workers > 1 && now_ns - crowded_since_ns_[kind] < kCrowdedNs) return;
    crowded_since_ns_[kind] = 0;
    Fork(kind);
  }

  // Nothing, when all places are taken or no process is to be had: those that are there go on.
  void Fork(int kind) {
    ExpendableSlot* const slot =
        std::find_if(std::begin(shared_->slots[kind]), std::end(shared_->slots[kind]),
                     [](const ExpendableSlot& one) { return one.pid.load() == 0; });
    if (slot == std::end(shared_->slots[kind])) return;
    slot->until_ns.store(0);
    const pid_t child = fork();
    if (child < 0) return;
    if (child > 0) {
      slot->pid.store(child);
      return;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != supervisor_) _exit(0);
    prctl(PR_SET_NAME, kind == kCloser ? "objmapper-close" : "objmapper-task", 0, 0, 0);
    slot->pid.store(getpid());  // whoever is first
    wake_read_.Reset();
    Worker(shared_, kind, slot, sockets_[kind].get(), wake_write_.get(), task_, judge_).Run();
  }

  void KillLate(int64_t now_ns, bool* busy) {
    for (auto& slots : shared_->slots) {
      for (ExpendableSlot& slot : slots) {
        const pid_t pid = slot.pid.load();
        const int64_t until_ns = slot.until_ns.load();
        // Killed, and not gone: nothing is to be done but to wait. Its end is told by SIGCHLD.
        if (pid == 0 || until_ns == 0 || slot.killed) continue;
        *busy = true;
        if (now_ns < until_ns) continue;
        kill(pid, SIGKILL);
        slot.killed = true;
        shared_->killed.fetch_add(1);
      }
    }
  }

  void Reap() {
    while (true) {
      const pid_t gone = waitpid(-1, nullptr, WNOHANG);
      if (gone <= 0) return;
      for (auto& slots : shared_->slots) {
        for (ExpendableSlot& slot : slots) {
          if (slot.pid.load() != gone) continue;
          slot.killed = false;
          slot.until_ns.store(0);
          slot.pid.store(0);
        }
      }
    }
  }

  // The server has ended: what is under way may end, too. Workers see the end of their socket;
  // whoever hangs dies with us.
  [[noreturn]] void End() {
    const int64_t until_ns = NowNs() + kFarewellNs;
    while (NowNs() < until_ns) {
      Reap();
      bool any = false;
      for (int kind = 0; kind < kExpendableKinds; ++kind) {
        int queued = 0;
        // Nobody is there to take what waits.
        if (!shared_->AnyIdle(kind) &&
            recv(sockets_[kind].get(), &queued, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
          Fork(kind);
        for (const ExpendableSlot& slot : shared_->slots[kind]) any |= slot.pid.load() != 0;
      }
      if (!any) break;
      usleep(5'000);
    }
    _exit(0);
  }

  ExpendableShared* const shared_;
  const ExpendableTask& task_;
  const ForeignJudge& judge_;
  UniqueFd sockets_[kExpendableKinds];
  UniqueFd wake_read_, wake_write_;
  pid_t supervisor_ = 0;
  sigset_t while_waiting_;
  int64_t crowded_since_ns_[kExpendableKinds] = {};  // 0: nobody waits for want of workers
  int64_t lively_until_ns_ = 0;
};

}  // namespace

void RunSupervisor(ExpendableShared* shared, UniqueFd sockets[kExpendableKinds],
                   const ExpendableTask& task, const ForeignJudge& judge) {
  Supervisor(shared, sockets, task, judge).Run();
}

}  // namespace objmapper::net
