// Things that other threads hand to an event loop, and the descriptor that wakes it.
//
//   Mailbox<std::unique_ptr<Session>> mailbox;           // the loop polls mailbox.event_fd()
//   mailbox.Put(std::move(session));                     // any thread
//   for (auto& session : mailbox.TakeAll()) ...          // the loop, when event_fd() is readable
//
// For what happens once per connection, not once per request: waking a thread on another core costs
// more than serving a request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "net/event_fd.h"
#include "net/mutex.h"

namespace objmapper::net {

template <typename T>
class Mailbox {
 public:
  // Any thread. Wakes the loop only when the box was empty: one wake-up serves all that wait.
  void Put(T item) {
    bool was_empty;
    {
      MutexLock lock(&mutex_);
      was_empty = items_.empty();
      items_.push_back(std::move(item));
    }
    if (was_empty) event_.Signal();
  }

  // The loop's thread. Everything put so far, in order; the event is cleared first, so that
  // nothing put meanwhile is missed.
  std::vector<T> TakeAll() {
    event_.Clear();
    std::vector<T> items;
    MutexLock lock(&mutex_);
    items.swap(items_);
    return items;
  }

  // Any thread.
  size_t size() const {
    MutexLock lock(&mutex_);
    return items_.size();
  }

  // Readable while there may be something to take.
  int event_fd() const { return event_.fd(); }

  // Wakes the loop with nothing in the box: to make it look at a flag.
  void Wake() { event_.Signal(); }

 private:
  EventFd event_;
  mutable Mutex mutex_;
  std::vector<T> items_ GUARDED_BY(mutex_);
};

}  // namespace objmapper::net
