// Threads for what may wait for the disk or moves bytes inside the kernel: splice transfers, opening
// cold objects, page-ins. num_cores×2 of them.
//
// The queue is as long as there are connections with something to do, each of which has at most one
// transfer and max_pipeline openings waiting.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "net/mutex.h"

namespace objmapper::copypath {

class BlockingPool {
 public:
  // `threads`: 1 or more; called "<name>/<n>". name: static.
  explicit BlockingPool(int threads, const char* name = "splice");
  ~BlockingPool();

  // Runs `work` on one of the threads, in order of arrival. Any thread. After Stop() nothing runs.
  void Run(std::function<void()> work);

  // Whether some thread has nothing to do: then another may spend a moment waiting. Any thread.
  bool HasIdleThread() const { return idle_.load(std::memory_order_relaxed) > 0; }

  // Waits for the work that has begun, drops the rest. Once.
  void Stop();

 private:
  void Work();

  net::Mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<std::function<void()>> queue_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::atomic<int> idle_{0};
  std::vector<std::thread> threads_;
};

}  // namespace objmapper::copypath
