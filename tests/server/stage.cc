// The simulated clock and readiness under the event loops of a real server: one thread makes one
// turn at a time.
#include "tests/server/stage.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <limits>

namespace objmapper::server {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

thread_local bool on_stage = false;
// Read by clock_gettime(2), which may be called before main().
std::atomic<bool> is_up{false};
std::atomic<int64_t> frozen_now_ns{0};
std::atomic<int64_t> ahead_now_ns{0};

int64_t RealNs() {
  timespec now;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

bool Readable(int fd) {
  pollfd one{fd, POLLIN, 0};
  return poll(&one, 1, 0) > 0;
}

}  // namespace

Stage& Stage::Get() {
  static auto* const stage = new Stage;
  return *stage;
}

void Stage::Raise() {
  std::lock_guard<std::mutex> lock(mutex_);
  CHECK(!up_);
  actors_.clear();
  frozen_ns_ = RealNs();
  frozen_now_ns.store(frozen_ns_);
  up_ = true;
  is_up.store(true);
  on_stage = true;  // the test's own thread sees the same time
}

void Stage::AwaitActors(const std::vector<std::string>& names) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] {
    for (const std::string& name : names) {
      if (actors_.count(name) == 0 || actors_[name].ready == nullptr) return false;
    }
    return true;
  });
}

bool Stage::Ready(const std::string& name) {
  std::lock_guard<std::mutex> lock(mutex_);
  Actor& actor = actors_.at(name);
  CHECK(actor.ready != nullptr) << name << " is not waiting";
  return actor.until_ns <= frozen_ns_ || (*actor.ready)();
}

void Stage::Turn(const std::string& name) {
  std::unique_lock<std::mutex> lock(mutex_);
  Actor& actor = actors_.at(name);
  actor.go = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return !actor.go && actor.ready != nullptr; });
}

void Stage::PassTime(absl::Duration time) {
  std::lock_guard<std::mutex> lock(mutex_);
  frozen_ns_ += absl::ToInt64Nanoseconds(time);
  ahead_ns_ += absl::ToInt64Nanoseconds(time);
  frozen_now_ns.store(frozen_ns_);
  ahead_now_ns.store(ahead_ns_);
}

void Stage::AwaitRest(const std::string& prefix, size_t count) {
  while (others_.size() < count) {
    for (const int other : others_) close(other);
    others_.clear();
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::string name;
      std::ifstream in(task.path() / "comm");
      std::getline(in, name);
      if (name.rfind(prefix, 0) != 0) continue;
      others_.push_back(open((task.path() / "stat").c_str(), O_RDONLY | O_CLOEXEC));
      CHECK_GE(others_.back(), 0);
    }
  }
  for (const int other : others_) {
    while (true) {
      char stat[512];
      const ssize_t got = pread(other, stat, sizeof(stat) - 1, 0);
      CHECK_GT(got, 0);
      stat[got] = '\0';
      // proc_pid_stat(5): "tid (name) state ..."; S is an interruptible sleep. Who has been woken
      // is R before its waker goes on.
      const char* const state = strrchr(stat, ')');
      if (state != nullptr && state[2] == 'S') break;
      sched_yield();
    }
  }
}

void Stage::Lower() {
  std::lock_guard<std::mutex> lock(mutex_);
  up_ = false;
  is_up.store(false);
  for (const int other : others_) close(other);
  others_.clear();
  changed_.notify_all();
}

void Stage::RestoreTime() {
  std::lock_guard<std::mutex> lock(mutex_);
  CHECK(!up_);
  ahead_ns_ = 0;
  ahead_now_ns.store(0);
}

bool Stage::Hold(int64_t timeout_ns, absl::FunctionRef<bool()> ready) {
  if (!is_up.load()) return false;
  char name[16];
  CHECK_EQ(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
  std::unique_lock<std::mutex> lock(mutex_);
  if (!up_) return false;
  on_stage = true;
  Actor& actor = actors_[name];
  actor.ready = &ready;
  actor.until_ns = timeout_ns < 0 ? kNever : frozen_ns_ + timeout_ns;
  changed_.notify_all();
  changed_.wait(lock, [&] { return actor.go || !up_; });
  actor.ready = nullptr;
  actor.go = false;
  return up_;
}

}  // namespace objmapper::server

// ---- In place of the system's ----

extern "C" {

int epoll_wait(int epoll, epoll_event* events, int events_max, int timeout_ms) {
  const auto ready = [epoll] { return objmapper::server::Readable(epoll); };
  if (objmapper::server::Stage::Get().Hold(timeout_ms < 0 ? -1 : int64_t{timeout_ms} * 1'000'000,
                                           ready))
    timeout_ms = 0;
  return static_cast<int>(
      syscall(SYS_epoll_pwait, epoll, events, events_max, timeout_ms, nullptr, 8));
}

int io_uring_submit_and_get_events(io_uring* ring) {
  using Function = int (*)(io_uring*);
  static const auto system =
      reinterpret_cast<Function>(dlsym(RTLD_NEXT, "io_uring_submit_and_get_events"));
  // Not waiting at all is a turn too, that comes when the test says.
  const auto ready = [] { return true; };
  objmapper::server::Stage::Get().Hold(0, ready);
  return system(ring);
}

int io_uring_submit_and_wait_timeout(io_uring* ring, io_uring_cqe** cqe, unsigned wanted,
                                     __kernel_timespec* timeout, sigset_t* mask) {
  using Function = int (*)(io_uring*, io_uring_cqe**, unsigned, __kernel_timespec*, sigset_t*);
  static const auto system =
      reinterpret_cast<Function>(dlsym(RTLD_NEXT, "io_uring_submit_and_wait_timeout"));
  // One look decides: who is held without having submitted would never find anything ready.
  if (!objmapper::server::is_up.load()) return system(ring, cqe, wanted, timeout, mask);
  // What has been prepared takes its effect before the wait.
  while (io_uring_sq_ready(ring) > 0) {
    const int submitted = io_uring_submit(ring);
    if (submitted < 0) return submitted;
  }
  const auto ready = [ring] {
    return io_uring_cq_ready(ring) > 0 || objmapper::server::Readable(ring->ring_fd);
  };
  const int64_t timeout_ns =
      timeout == nullptr ? -1 : timeout->tv_sec * 1'000'000'000 + timeout->tv_nsec;
  if (!objmapper::server::Stage::Get().Hold(timeout_ns, ready))
    return system(ring, cqe, wanted, timeout, mask);
  const int result = io_uring_get_events(ring);
  if (result < 0) return result;
  return io_uring_cq_ready(ring) > 0 ? 0 : -ETIME;
}

int clock_gettime(clockid_t clock, timespec* out) noexcept {
  const int result = static_cast<int>(syscall(SYS_clock_gettime, clock, out));
  if (clock != CLOCK_MONOTONIC || result != 0) return result;
  int64_t now_ns = int64_t{out->tv_sec} * 1'000'000'000 + out->tv_nsec;
  // Who is not on the stage has a clock that goes on: it may wait by it.
  now_ns = objmapper::server::is_up.load() && objmapper::server::on_stage
               ? objmapper::server::frozen_now_ns.load()
               : now_ns + objmapper::server::ahead_now_ns.load();
  out->tv_sec = now_ns / 1'000'000'000;
  out->tv_nsec = now_ns % 1'000'000'000;
  return 0;
}

}  // extern "C"
