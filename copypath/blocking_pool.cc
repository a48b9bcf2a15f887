// The pool's queue. Long work gets at most half of the threads, and takes turns with short work.
#include "copypath/blocking_pool.h"

#include <glog/logging.h>
#include <pthread.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/clock.h"

namespace objmapper::copypath {

BlockingPool::BlockingPool(int threads, const char* name, int threads_max)
    : name_(name),
      threads_max_(static_cast<size_t>(std::max(threads, threads_max))),
      long_max_(std::max<size_t>(1, threads_max_ / 2)) {
  CHECK_GE(threads_max_, 1u);
  const net::MutexLock lock(&mutex_);
  for (int i = 0; i < threads; ++i) StartThread();
}

BlockingPool::~BlockingPool() {
  const net::MutexLock lock(&mutex_);
  CHECK(threads_.empty()) << "Stop() first";
}

void BlockingPool::StartThread() {
  threads_.emplace_back([this, i = threads_.size()] {
    pthread_setname_np(pthread_self(), absl::StrCat(name_, "/", i).c_str());
    Work();
  });
}

void BlockingPool::Run(std::function<void()> work, Length length) {
  {
    net::MutexLock lock(&mutex_);
    (length == Length::kLong ? long_queue_ : queue_).push_back({std::move(work), net::NowNs()});
    const size_t waiting = queue_.size() + long_queue_.size();
    const bool none_idle = waiting > static_cast<size_t>(idle_.load(std::memory_order_relaxed));
    if (none_idle && threads_.size() < threads_max_ && !stopping_) StartThread();
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
      std::deque<Piece>& queue = was_long ? long_queue_ : queue_;
      work = std::move(queue.front().work);
      queue.pop_front();
      last_was_long_ = was_long;
      if (was_long) ++long_running_;
    }
    work();
  }
}

int64_t BlockingPool::WaitingNs(int64_t now_ns) const {
  const net::MutexLock lock(&mutex_);
  return queue_.empty() ? 0 : std::max<int64_t>(now_ns - queue_.front().since_ns, 0);
}

void BlockingPool::Stop() {
  std::vector<std::thread> threads;
  {
    net::MutexLock lock(&mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace objmapper::copypath
