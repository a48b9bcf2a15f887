// The server's side of the expendable processes: descriptors and tasks go to them over socket
// pairs, and nothing here waits for a foreign file. A descriptor that cannot be passed on waits in
// a bounded queue; without the processes, detached threads close what is left.
#include "net/expendable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "net/errno_status.h"
#include "net/expendable_process.h"
#include "net/foreign_fd.h"
#include "net/mutex.h"
#include "net/scm_rights.h"
#include "net/unique_fd.h"

namespace objmapper::net {
namespace {

// So many descriptors may wait before no more are taken; fewer where the process may have few.
constexpr size_t kWaitingMax = 1024;
// Without the process, so many threads may hang in close(2).
constexpr int kHangingThreadsMax = 64;
constexpr int kLookEveryMs = 100;

class Expendable {
 public:
  Expendable(UniqueFd closers, UniqueFd taskers, ExpendableShared* shared)
      : sockets_{std::move(closers), std::move(taskers)}, shared_(shared) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
      waiting_max_ = std::max<size_t>(4, std::min<uint64_t>(kWaitingMax, limit.rlim_cur / 8));
    }
  }

  void Dispose(UniqueFd fd) {
    disposed_.fetch_add(1, std::memory_order_relaxed);
    if (waiting_count_.load(std::memory_order_acquire) == 0 && Give(&fd)) return;
    const MutexLock lock(&mutex_);
    if (!alive_.load()) {
      CloseElsewhere(std::move(fd));
      return;
    }
    waiting_.push_back(std::move(fd));
    waiting_count_.store(waiting_.size(), std::memory_order_release);
    if (!giving_) {
      giving_ = true;
      std::thread([this] { GiveLater(); }).detach();
    }
  }

  bool full() const {
    return !alive_.load(std::memory_order_relaxed) ||
           waiting_count_.load(std::memory_order_relaxed) > waiting_max_;
  }

  absl::StatusOr<std::string> Run(absl::string_view request, absl::Span<const int> fds,
                                  absl::Duration patience, absl::FunctionRef<bool()> go_on) {
    DCHECK_LE(request.size(), kTaskBytesMax);
    ExpendableHeader header;
    header.patience_ns = PatienceNs(patience);
    const absl::StatusOr<UniqueFd> worker = Ask(header, request, fds, go_on);
    if (!worker.ok()) return worker.status();
    std::string answer(1 + kTaskBytesMax, '\0');
    std::vector<UniqueFd> none;
    while (true) {
      const int64_t until_ns = NowNs() + header.patience_ns;
      const absl::StatusOr<size_t> got =
          Hear(worker->get(), &answer, &none, header.patience_ns, go_on);
      if (!got.ok()) return got.status();
      if (*got == 0) {
        // Killed for being late, or by somebody else.
        return NowNs() + kLookEveryMs * 2'000'000 > until_ns
                   ? Late()
                   : absl::UnavailableError("the process that examined the file has died");
      }
      // Else a sign of life before the answer.
      if (answer[0] == '=') return answer.substr(1, *got - 1);
    }
  }

  absl::StatusOr<ReceivedElsewhere> Receive(int socket, size_t bytes, absl::Duration patience,
                                            absl::FunctionRef<bool()> go_on) {
    ExpendableHeader header;
    header.patience_ns = PatienceNs(patience);
    header.receive_bytes = bytes;
    const absl::StatusOr<UniqueFd> worker = Ask(header, "", {socket}, go_on);
    if (!worker.ok()) return worker.status();
    ReceivedElsewhere received;
    std::string answer(sizeof(ReceiptHeader) + bytes, '\0');
    std::vector<UniqueFd> fds;
    absl::StatusOr<size_t> got = Hear(worker->get(), &answer, &fds, header.patience_ns, go_on);
    if (!got.ok()) return got.status();
    ReceiptHeader receipt;
    if (*got < sizeof(receipt))
      return absl::UnavailableError("the process that reads in the server's place has died");
    memcpy(&receipt, answer.data(), sizeof(receipt));
    if (receipt.result < 0) return ErrnoToStatus(static_cast<int>(-receipt.result), "recvmsg");
    received.bytes = answer.substr(sizeof(receipt), *got - sizeof(receipt));
    received.fds = receipt.fds;
    received.lost = receipt.lost;
    if (receipt.fds != 1) return received;
    got = Hear(worker->get(), &answer, &fds, header.patience_ns, go_on);
    if (absl::IsCancelled(got.status())) return got.status();
    received.verdict = ReceivedElsewhere::kNoVerdict;
    if (!got.ok() || *got < sizeof(receipt)) return received;
    memcpy(&receipt, answer.data(), sizeof(receipt));
    received.verdict = receipt.verdict;
    if (!fds.empty()) received.fd = std::move(fds.front());
    // our own table is full
    if (receipt.verdict == 0 && !received.fd.valid()) received.lost = true;
    return received;
  }

  void GiveAll() {
    std::vector<int> all;
    if (DIR* const directory = opendir("/proc/self/fd"); directory != nullptr) {
      while (const dirent* const entry = readdir(directory)) {
        const int fd = atoi(entry->d_name);
        const bool ours =
            fd == sockets_[0].get() || fd == sockets_[1].get() || fd == dirfd(directory);
        if (fd > 2 && !ours) all.push_back(fd);
      }
      closedir(directory);
    }
    // Those that cannot be sent, such as rings, must not keep others back.
    const int64_t until_ns = NowNs() + 200'000'000;
    for (const int fd : all) {
      while (alive_.load() && !Send(fd, kUntilTheEnd) && errno == EAGAIN && NowNs() < until_ns)
        usleep(1'000);
    }
  }

  ExpendableCounts Read() const {
    ExpendableCounts counts;
    counts.running = alive_.load();
    counts.disposed = disposed_.load();
    counts.waiting = waiting_count_.load() + static_cast<uint64_t>(hanging_.load());
    counts.tasks = tasks_.load();
    counts.tasks_late = tasks_late_.load();
    counts.killed = shared_->killed.load();
    const int64_t now_ns = NowNs();
    for (const auto& slots : shared_->slots) {
      for (const ExpendableSlot& slot : slots) {
        if (!counts.running || slot.pid.load() == 0) continue;
        ++counts.workers;
        const int64_t until_ns = slot.until_ns.load();
        if (until_ns != 0 && now_ns > until_ns) ++counts.stuck;
      }
    }
    return counts;
  }

 private:
  static int64_t PatienceNs(absl::Duration patience) {
    return std::clamp<int64_t>(absl::ToInt64Nanoseconds(patience), 1'000'000,
                               int64_t{3600} * 1'000'000'000);
  }

  // Sends a task to whichever worker is idle, and returns where its answers are heard.
  absl::StatusOr<UniqueFd> Ask(const ExpendableHeader& header, absl::string_view request,
                               absl::Span<const int> fds, absl::FunctionRef<bool()> go_on) {
    tasks_.fetch_add(1, std::memory_order_relaxed);
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
      return ErrnoToStatus(errno, "a socket for the answer");
    }
    UniqueFd ours(ends[0]);
    const UniqueFd theirs(ends[1]);
    std::string message(reinterpret_cast<const char*>(&header), sizeof(header));
    message.append(request.data(), request.size());
    std::vector<int> all = {theirs.get()};
    all.insert(all.end(), fds.begin(), fds.end());
    const int64_t until_ns = NowNs() + header.patience_ns;
    for (int64_t looked_ns = NowNs(); SendWithFds(sockets_[kTasker].get(), message, all) < 0;
         looked_ns = NowNs()) {
      if (errno != EAGAIN && errno != ETOOMANYREFS && errno != ENOBUFS && errno != ENOMEM) {
        return absl::UnavailableError("the process that examines foreign files has died");
      }
      if (looked_ns > until_ns) return Late();
      if (!go_on()) return absl::CancelledError("it is no longer needed");
      pollfd room{sockets_[kTasker].get(), POLLOUT, 0};
      poll(&room, 1, kLookEveryMs);
      usleep(1'000);  // ETOOMANYREFS is no want of room in the socket
    }
    return ours;
  }

  // The next message of a worker's; 0: there is none any more.
  absl::StatusOr<size_t> Hear(int socket, std::string* answer, std::vector<UniqueFd>* fds,
                              int64_t patience_ns, absl::FunctionRef<bool()> go_on) {
    const int64_t until_ns = NowNs() + patience_ns;
    while (true) {
      const int64_t looked_ns = NowNs();
      pollfd polled{socket, POLLIN, 0};
      poll(&polled, 1, kLookEveryMs);
      bool lost = false;
      const ssize_t got = RecvAllFds(socket, absl::MakeSpan(*answer), MSG_DONTWAIT, fds, &lost);
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EAGAIN) return size_t{0};
      if (looked_ns > until_ns) return Late();
      if (!go_on()) return absl::CancelledError("it is no longer needed");
    }
  }

  absl::Status Late() {
    tasks_late_.fetch_add(1, std::memory_order_relaxed);
    return absl::DeadlineExceededError("the file did not answer in time");
  }

  // Sends a copy and closes `*fd`, in this order, and so that the copy is closed last. False: there
  // is no room now, or nobody.
  bool Give(UniqueFd* fd) {
    const int32_t ticket = TakeTicket();
    if (ticket < 0) {
      errno = EAGAIN;
      return false;
    }
    std::atomic<Ticket>& state = shared_->tickets[ticket];
    if (!Send(fd->get(), ticket)) {
      state.store(Ticket::kFree);
      return false;
    }
    fd->Reset();
    state.store(Ticket::kClosedHere);
    return true;
  }

  int32_t TakeTicket() {
    const uint32_t start = next_ticket_.fetch_add(1, std::memory_order_relaxed);
    for (uint32_t i = 0; i < kTickets; ++i) {
      const uint32_t ticket = (start + i) % kTickets;
      Ticket free = Ticket::kFree;
      if (shared_->tickets[ticket].compare_exchange_strong(free, Ticket::kSent))
        return static_cast<int32_t>(ticket);
    }
    return -1;
  }

  // errno when not.
  bool Send(int fd, int32_t ticket) {
    ExpendableHeader header;
    header.ticket = ticket;
    const absl::string_view bytes(reinterpret_cast<const char*>(&header), sizeof(header));
    if (SendWithFds(sockets_[kCloser].get(), bytes, absl::MakeConstSpan(&fd, 1)) > 0) return true;
    if (errno == EPIPE || errno == ECONNRESET || errno == ECONNREFUSED || errno == ENOTCONN) {
      if (alive_.exchange(false)) {
        LOG(ERROR) << "the process that closes foreign descriptors has died: threads of this "
                      "process do so instead, at most "
                   << kHangingThreadsMax;
      }
    }
    return false;
  }

  // Where the process has died. Those that find no thread stay open.
  void CloseElsewhere(UniqueFd fd) EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (hanging_.fetch_add(1) >= kHangingThreadsMax) {
      hanging_.fetch_sub(1);
      waiting_.push_back(std::move(fd));
      waiting_count_.store(waiting_.size(), std::memory_order_release);
      return;
    }
    std::thread([this, number = fd.Release()] {
      UniqueFd(number).Reset();
      hanging_.fetch_sub(1);
    }).detach();
  }

  void GiveLater() {
    pthread_setname_np(pthread_self(), "dispose");
    while (true) {
      pollfd room{sockets_[kCloser].get(), POLLOUT, 0};
      poll(&room, 1, kLookEveryMs);
      usleep(1'000);  // ETOOMANYREFS is no want of room in the socket
      if (full()) {
        LOG_EVERY_T(WARNING, 60) << waiting_count_.load()
                                 << " foreign descriptors wait to be closed: no more are accepted";
      }
      const MutexLock lock(&mutex_);
      for (size_t left = waiting_.size(); left > 0; --left) {
        UniqueFd fd = std::move(waiting_.front());
        waiting_.pop_front();
        if (!alive_.load() && hanging_.load() < kHangingThreadsMax) {
          CloseElsewhere(std::move(fd));
        } else if (!alive_.load() || !Give(&fd)) {
          const bool full = errno == EAGAIN;
          waiting_.push_back(std::move(fd));
          if (full) break;  // else it is this one that cannot be sent now
        }
      }
      waiting_count_.store(waiting_.size(), std::memory_order_release);
      if (waiting_.empty()) {
        giving_ = false;
        return;
      }
    }
  }

  const UniqueFd sockets_[kExpendableKinds];
  ExpendableShared* const shared_;
  size_t waiting_max_ = kWaitingMax;
  std::atomic<bool> alive_{true};
  std::atomic<uint64_t> disposed_{0}, tasks_{0}, tasks_late_{0};
  std::atomic<uint32_t> next_ticket_{0};
  std::atomic<int> hanging_{0};
  std::atomic<size_t> waiting_count_{0};
  Mutex mutex_;
  std::deque<UniqueFd> waiting_ GUARDED_BY(mutex_);
  bool giving_ GUARDED_BY(mutex_) = false;  // a thread does
};

// Never deleted: descriptors are let go of until the process ends.
Expendable* expendable = nullptr;

std::atomic<bool> abandoned{false};

// All but the standard ones and `keep`; those become /dev/null.
void CloseOthers(UniqueFd keep[kExpendableKinds]) {
  const int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd <= 2; ++fd) dup2(null, fd);
  int numbers[] = {keep[0].get(), keep[1].get()};
  std::sort(std::begin(numbers), std::end(numbers));
  unsigned first = 3;
  for (const int number : numbers) {
    if (static_cast<unsigned>(number) > first)
      close_range(first, static_cast<unsigned>(number) - 1, 0);
    first = static_cast<unsigned>(number) + 1;
  }
  close_range(first, ~0u, 0);
}

}  // namespace

absl::Status StartExpendable(const ExpendableTask& task, const ForeignJudge& judge,
                             const std::function<absl::Status()>& prepare) {
  CHECK(expendable == nullptr);
  UniqueFd ours[kExpendableKinds], theirs[kExpendableKinds];
  for (int kind = 0; kind < kExpendableKinds; ++kind) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
      return ErrnoToStatus(errno, "socketpair");
    ours[kind].Reset(ends[0]);
    theirs[kind].Reset(ends[1]);
  }
  void* const memory = mmap(nullptr, sizeof(ExpendableShared), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return ErrnoToStatus(errno, "shared memory");
  auto* const shared = new (memory) ExpendableShared();
  const pid_t child = fork();
  if (child < 0) return ErrnoToStatus(errno, "fork");
  if (child == 0) {
    for (UniqueFd& fd : ours) fd.Reset();
    CloseOthers(theirs);
    prctl(PR_SET_NAME, "objmapper-spare", 0, 0, 0);
    if (prepare != nullptr && !prepare().ok()) _exit(1);
    RunSupervisor(shared, theirs, task, judge);
  }
  expendable = new Expendable(std::move(ours[kCloser]), std::move(ours[kTasker]), shared);
  return absl::OkStatus();
}

void AbandonExpendable(bool abandon) { abandoned.store(abandon); }

bool HasExpendable() { return expendable != nullptr; }

absl::StatusOr<std::string> RunExpendable(absl::string_view request, absl::Span<const int> fds,
                                          absl::Duration patience,
                                          absl::FunctionRef<bool()> go_on) {
  if (expendable != nullptr) return expendable->Run(request, fds, patience, go_on);
  return absl::UnavailableError("there is no process for it");
}

absl::StatusOr<ReceivedElsewhere> ReceiveElsewhere(int socket, size_t bytes,
                                                   absl::Duration patience) {
  bytes = std::min(bytes, kReceiveBytesMax);
  if (expendable != nullptr)
    return expendable->Receive(socket, bytes, patience, [] { return !abandoned.load(); });
  // Tests of a part of the server: here, then.
  ReceivedElsewhere received;
  received.bytes.resize(bytes);
  std::vector<UniqueFd> fds;
  const ssize_t got =
      RecvAllFds(socket, absl::MakeSpan(received.bytes), MSG_DONTWAIT, &fds, &received.lost);
  if (got < 0) return ErrnoToStatus(errno, "recvmsg");
  received.bytes.resize(static_cast<size_t>(got));
  received.fds = fds.size();
  if (fds.size() == 1) received.fd = std::move(fds.front());
  return received;
}

bool ExpendableFull() { return expendable != nullptr && expendable->full(); }

void DisposeOfAll() {
  if (expendable != nullptr) expendable->GiveAll();
}

ExpendableCounts ReadExpendable() {
  return expendable == nullptr ? ExpendableCounts() : expendable->Read();
}

void Dispose(UniqueFd fd) {
  if (!fd.valid()) return;
  if (expendable != nullptr) expendable->Dispose(std::move(fd));
}

void DisposeSocket(UniqueFd socket) {
  if (!socket.valid()) return;
  shutdown(socket.get(), SHUT_RDWR);
  int unread = 0;
  if (ioctl(socket.get(), FIONREAD, &unread) == 0 && unread == 0) return;
  Dispose(std::move(socket));
}

}  // namespace objmapper::net
