// Detached threads that can be counted, bounded and waited for.
//
// A thread that is detached frees itself when it ends, but nobody can join it, and the process must
// not end under it: so the last thing that each does is to sign off here.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>

#include "net/mutex.h"

namespace objmapper::models {

// Thread-safe.
class ThreadGroup {
 public:
  // threads_max: 1 or more may run at once.
  explicit ThreadGroup(size_t threads_max) : threads_max_(threads_max) {}
  ~ThreadGroup();

  // Runs `work` on a new thread, whose name is `name` (15 characters at most). False, and it does
  // not run: threads_max run already, or the kernel has no thread to give.
  bool TryRun(const char* name, std::function<void()> work);

  // Waits until fewer than threads_max run. False: Close() was called.
  bool WaitForPlace();
  void Close();

  // Waits until none runs. Nobody may start one meanwhile.
  void Join();

 private:
  struct Start;
  static void* Main(void* start);

  const size_t threads_max_;
  net::Mutex mutex_;
  std::condition_variable_any ended_;
  size_t running_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace objmapper::models
