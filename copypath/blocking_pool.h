// Threads for what may wait for the disk or moves bytes inside the kernel: splice transfers,
// opening cold objects, page-ins. num_cores×2 of them.
//
// The queue is as long as there are connections with something to do, each of which has at most one
// transfer and max_pipeline openings waiting.
//
// Long work (the hash of what was stored, a tree that is walked) comes in pieces, each of which is
// queued anew behind the pieces of others. It has half of the threads at most, and where there is
// but one, every second turn: so short work never waits for more than a piece, however much long
// work there is.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "net/mutex.h"

namespace objmapper::copypath {

class BlockingPool {
 public:
  // `threads`: 1 or more; called "<name>/<n>". name: static. threads_max: where more than that, so
  // many are started as work finds none idle; then `threads` may be 0.
  explicit BlockingPool(int threads, const char* name = "splice", int threads_max = 0);
  ~BlockingPool();

  // kLong: it may take longer than some 10 ms. What can be done in pieces is.
  enum class Length : uint8_t { kShort, kLong };

  // Runs `work` on one of the threads, in order of arrival among those of its length. Any thread.
  // After Stop() nothing runs.
  void Run(std::function<void()> work, Length length = Length::kShort);

  // Whether some thread has nothing to do: then another may spend a moment waiting. Any thread.
  bool HasIdleThread() const { return idle_.load(std::memory_order_relaxed) > 0; }

  // How long the next piece of short work has waited for a thread by `now_ns` (net::NowNs()); 0:
  // none waits. Any thread.
  int64_t WaitingNs(int64_t now_ns) const;
  const char* name() const { return name_; }

  // Waits for the work that has begun, drops the rest. Once.
  void Stop();

 private:
  struct Piece {
    std::function<void()> work;
    int64_t since_ns;
  };

  void Work();
  void StartThread() EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether there is something that a thread may take now, and whether that is of the long kind.
  bool HasWork(bool* is_long) const EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const char* const name_;
  const size_t threads_max_;
  const size_t long_max_;  // threads that may be at long work
  mutable net::Mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Piece> queue_ GUARDED_BY(mutex_);
  std::deque<Piece> long_queue_ GUARDED_BY(mutex_);
  size_t long_running_ GUARDED_BY(mutex_) = 0;
  bool last_was_long_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::atomic<int> idle_{0};
  std::vector<std::thread> threads_ GUARDED_BY(mutex_);
};

}  // namespace objmapper::copypath
