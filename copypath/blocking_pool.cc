#include "copypath/blocking_pool.h"

#include <pthread.h>

#include <string>

#include <glog/logging.h>

#include "absl/strings/str_cat.h"

namespace objmapper::copypath {

BlockingPool::BlockingPool(int threads, const char* name) {
  CHECK_GE(threads, 1);
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this, i, name] {
      pthread_setname_np(pthread_self(), absl::StrCat(name, "/", i).c_str());
      Work();
    });
  }
}

BlockingPool::~BlockingPool() { CHECK(threads_.empty()) << "Stop() first"; }

void BlockingPool::Run(std::function<void()> work) {
  {
    net::MutexLock lock(&mutex_);
    queue_.push_back(std::move(work));
  }
  wake_.notify_one();
}

void BlockingPool::Work() {
  while (true) {
    std::function<void()> work;
    {
      net::MutexLock lock(&mutex_);
      while (queue_.empty() && !stopping_) {
        idle_.fetch_add(1, std::memory_order_relaxed);
        wake_.wait(mutex_);
        idle_.fetch_sub(1, std::memory_order_relaxed);
      }
      if (stopping_) return;
      work = std::move(queue_.front());
      queue_.pop_front();
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
