// File systems on which opening a file takes long, and not because of a disk: an on-access scanner
// looks at the file first (fanotify(7), FAN_OPEN_PERM), a file system in user space or on the
// network asks somebody, another holds a lease. None of that shows beforehand: openat2(2) with
// RESOLVE_CACHED speaks of the way to the file alone, and waits like any other.
//
// So opens are timed. The first that takes long keeps the thread it is on waiting; from then on,
// and while one still hangs, those who must not wait (Wait::kCachedOnly) are told that the file is
// not at hand, and have it opened where waiting holds up nobody else; until opens of that file
// system have been quick for a while.
//
//   SlowOpens::Timer timer(&slow);              // about an open that this thread makes
//   ... openat2(2), fstat(2) ...
//   timer.Took(device, /*cached=*/true);
//
// What a quick open pays for this is two readings of a clock that costs 5 ns, and a store.
// Thread-safe.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "net/clock.h"
#include "net/mutex.h"

namespace objmapper::storage {

class SlowOpens {
  struct Slot;

 public:
  // What is slow: more than a disk takes, and than a cgroup without any of its quota left waits for
  // the next period.
  static constexpr int64_t kSlowNs = 100'000'000;

  SlowOpens() = default;
  ~SlowOpens();
  SlowOpens(const SlowOpens&) = delete;

  // Starts the thread that notices opens that hang, and when a file system is quick again. Once.
  void Start();

  // Whether there is anything to look out for. For every request: a load.
  bool any() const { return any_.load(std::memory_order_relaxed); }
  // Whether files of this file system are not to be opened by threads that must not wait. While an
  // open of such a thread hangs, of which nobody knows yet where: those of none are.
  bool IsSlow(dev_t device) const;
  // An open on it took so long. sure: of which the disk can be no reason, or which held up a thread
  // that must not wait; else it counts only where opens are slow already.
  void Note(dev_t device, int64_t took_ns, bool sure);
  // Whether something that is opened elsewhere has waited long. Any thread.
  bool waits_elsewhere() const { return waits_elsewhere_.load(std::memory_order_relaxed); }

  // Times one open on this thread.
  class Timer {
   public:
    explicit Timer(SlowOpens* slow) : slow_(slow), since_ns_(CoarseNowNs()) {
      if (this_thread_ != nullptr)
        this_thread_->since_ns.store(since_ns_, std::memory_order_relaxed);
    }
    ~Timer() {
      if (this_thread_ != nullptr) this_thread_->since_ns.store(0, std::memory_order_relaxed);
    }
    Timer(const Timer&) = delete;
    // Nanoseconds since the beginning; 0 where that is nothing to be noted.
    int64_t Elapsed() const {
      const int64_t took_ns = CoarseNowNs() - since_ns_;
      return took_ns >= kSlowNs || slow_->any() ? took_ns : 0;
    }
    // The file is on `device`. cached: the way to it was in the kernel's caches.
    void Took(dev_t device, bool cached) const {
      if (const int64_t took_ns = Elapsed(); took_ns > 0)
        slow_->Note(device, took_ns, cached || this_thread_ != nullptr);
    }

   private:
    SlowOpens* const slow_;
    const int64_t since_ns_;
  };

  // While this lives, the thread that made it must not wait: an open of its that hangs is noticed
  // meanwhile.
  class Watched {
   public:
    // hangs: called by another thread, again and again, while an open hangs here; null: nobody is.
    // It may not wait.
    Watched(SlowOpens* slow, std::function<void()> hangs = nullptr);
    ~Watched();
    Watched(const Watched&) = delete;

   private:
    SlowOpens* const slow_;
  };

  // While this lives, an open is made where it may wait, and this thread is not watched. As long as
  // one of them waits, nothing counts as quick again.
  class Elsewhere {
   public:
    explicit Elsewhere(SlowOpens* slow);
    ~Elsewhere();
    Elsewhere(const Elsewhere&) = delete;

   private:
    SlowOpens* const slow_;
    Slot* const watched_;
    std::multiset<int64_t>::iterator since_;
  };

  // The file system that `fd` is on, without asking it: it may be one that does not answer
  // (statx(2)). 0: unknown.
  static dev_t DeviceOf(int fd);

  // since the start
  uint64_t slow_opens() const { return slow_opens_.load(std::memory_order_relaxed); }
  size_t file_systems() const;  // that are slow now

  // A monotonic clock that is right to within a few milliseconds, and is read without the
  // processor's: clock_gettime(2).
  static int64_t CoarseNowNs() { return net::NowNs(CLOCK_MONOTONIC_COARSE); }

 private:
  struct Slot {
    std::atomic<int64_t> since_ns{0};  // 0: it opens nothing now
    std::function<void()> hangs;
  };
  struct Device {
    dev_t device;
    int64_t slow_ns;    // the last time that an open was slow
    int64_t period_ns;  // how long it must have been quick to count as such
    int quick = 0;      // opens since then
    bool slow = true;   // false: kept to know of a relapse
  };

  void Watch();
  void Look(int64_t now_ns) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void UpdateAny() EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  static thread_local Slot* this_thread_;

  std::atomic<bool> any_{false};
  std::atomic<bool> hanging_{false};
  std::atomic<bool> waits_elsewhere_{false};
  std::atomic<uint64_t> slow_opens_{0};
  mutable net::Mutex mutex_;
  std::vector<Slot*> slots_ GUARDED_BY(mutex_);
  std::vector<Device> devices_ GUARDED_BY(mutex_);
  std::multiset<int64_t> elsewhere_ GUARDED_BY(mutex_);  // since when
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::condition_variable_any stop_;
  std::thread watcher_;
};

}  // namespace objmapper::storage
