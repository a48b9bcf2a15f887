// A queue between threads that has an end: what does not fit is the giver's to deal with.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "net/mutex.h"

namespace objmapper::models {

// Thread-safe. T: movable.
template <typename T>
class BoundedQueue {
 public:
  // items_max: 1 or more.
  explicit BoundedQueue(size_t items_max) : items_max_(items_max) {}

  // Moves from `*item`, unless the queue is full or closed: then false.
  bool TryPush(T* item) {
    net::MutexLock lock(&mutex_);
    if (closed_ || items_.size() >= items_max_) return false;
    PushLocked(std::move(*item));
    return true;
  }

  // Waits for room. After Close() the item is dropped.
  void Push(T item) {
    net::MutexLock lock(&mutex_);
    while (!closed_ && items_.size() >= items_max_) room_.wait(mutex_);
    if (!closed_) PushLocked(std::move(item));
  }

  // Puts back what was taken from a queue a moment ago. Does not wait for room: a thread that
  // empties the queue and waited for room in it would wait for itself.
  void PutBack(T item) {
    net::MutexLock lock(&mutex_);
    if (!closed_) PushLocked(std::move(item));
  }

  // The oldest item; waits for one. nullopt: closed, whatever is left.
  std::optional<T> Pop() {
    net::MutexLock lock(&mutex_);
    while (!closed_ && items_.empty()) filled_.wait(mutex_);
    if (closed_) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    room_.notify_one();
    return item;
  }

  size_t size() const {
    net::MutexLock lock(&mutex_);
    return items_.size();
  }

  // Lets all who wait go, and drops the items.
  void Close() {
    std::deque<T> dropped;  // their destructors run without the lock
    net::MutexLock lock(&mutex_);
    closed_ = true;
    dropped.swap(items_);
    filled_.notify_all();
    room_.notify_all();
  }

 private:
  void PushLocked(T item) EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    items_.push_back(std::move(item));
    filled_.notify_one();
  }

  const size_t items_max_;
  mutable net::Mutex mutex_;
  std::condition_variable_any filled_;
  std::condition_variable_any room_;
  std::deque<T> items_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace objmapper::models
