#include "copypath/blocking_pool.h"

#include <pthread.h>

#include <algorithm>
#include <string>
#include <utility>

#include <glog/logging.h>

#include "absl/strings/str_cat.h"

namespace objmapper::copypath {

BlockingPool::BlockingPool(int threads, const char* name) : long_max_(std::max(1, threads / 2)) {
  CHECK_GE(threads, 1);
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this, i, name] {
      pthread_setname_np(pthread_self(), absl::StrCat(name, "/", i).c_str());
      Work();
    });
  }
}

BlockingPool::~BlockingPool() { CHECK(threads_.empty()) << "Stop() first"; }

void BlockingPool::Run(std::function<void()> work, Length length) {
  {
    net::MutexLock lock(&mutex_);
    (length == Length::kLong ? long_queue_ : queue_).push_back(std::move(work));
  }
  wake_.notify_one();
}

bool BlockingPool::HasWork(bool* is_long) const {
  const bool long_may = !long_queue_.empty() && long_running_ < long_max_;
  *is_long = long_may && (queue_.empty() || !last_was_long_);
  return *is_long || !queue_.empty();
}

void BlockingPool::Work() {
  bool was_long = false;
  while (true) {
    std::function<void()> work;
    {
      net::MutexLock lock(&mutex_);
      if (std::exchange(was_long, false)) --long_running_;
      while (!HasWork(&was_long) && !stopping_) {
        idle_.fetch_add(1, std::memory_order_relaxed);
        wake_.wait(mutex_);
        idle_.fetch_sub(1, std::memory_order_relaxed);
      }
      if (stopping_) return;
      std::deque<std::function<void()>>& queue = was_long ? long_queue_ : queue_;
      work = std::move(queue.front());
      queue.pop_front();
      last_was_long_ = was_long;
      if (was_long) ++long_running_;
    }
    work();
  }
}

void BlockingPool::Stop() {
  {
    net::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace objmapper::copypath
