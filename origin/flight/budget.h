// How many bytes may be under way at once, for all flights together: what has been asked for may
// come faster than the disk takes it, and is in memory until then.
//
// Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <utility>

#include "net/mutex.h"

namespace objmapper::origin {

class Budget {
 public:
  explicit Budget(uint64_t bytes)
      : all_(static_cast<int64_t>(bytes)), left_(static_cast<int64_t>(bytes)) {}

  // Whether so many may be asked for now; Give() them back then. False: `again` is called, once and
  // by any thread, when it is to be tried again. More than there is at all may be had alone.
  bool Take(uint64_t bytes, std::function<void()> again) {
    const net::MutexLock lock(&mutex_);
    if (static_cast<int64_t>(bytes) > left_ && left_ < all_) {
      waiting_.push_back(std::move(again));
      return false;
    }
    left_ -= static_cast<int64_t>(bytes);
    return true;
  }
  void Give(uint64_t bytes) {
    std::deque<std::function<void()>> woken;
    {
      const net::MutexLock lock(&mutex_);
      left_ += static_cast<int64_t>(bytes);
      woken.swap(waiting_);
    }
    for (const auto& again : woken) again();
  }

 private:
  const int64_t all_;
  net::Mutex mutex_;
  int64_t left_ GUARDED_BY(mutex_);  // below 0: one has more than there is
  std::deque<std::function<void()>> waiting_ GUARDED_BY(mutex_);
};

}  // namespace objmapper::origin
