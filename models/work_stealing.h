// work_stealing: a queue for each worker, and idle workers take from the others'.
//
// What it is. An epoll thread puts a ready connection into the deque of the worker that served it
// last. A worker takes from its own deque; when that is empty, it steals from the top of another's,
// and the connection is its own from then on.
//
// Where it wins. Uneven work: a worker that is busy with something long loses what waits behind it
// to those that are idle, and what is even stays where its caches are warm.
//
// Where it loses. As accept_pool does: each request is handed from the epoll thread to a worker,
// which must be woken. Stealing balances work; it does not make it cheaper, and a request that is
// served in microseconds is over before anybody could steal it.
//
// A mutex for each deque, rather than Chase and Lev's lock-free one: it is taken twice per request,
// mostly by one thread, in some 20 ns, beside a wake-up of 20 µs and more.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "models/context.h"
#include "models/parking.h"
#include "net/mutex.h"
#include "session/lane.h"

namespace objmapper::models {

class WorkStealing : public session::Lane {
 public:
  explicit WorkStealing(const Options& options);

  void Adopt(std::unique_ptr<session::Session> session) override;
  void Drain() override;
  void Stop() override;
  size_t QueueDepth() const override {
    net::MutexLock lock(&mutex_);
    return unclaimed_;
  }

 private:
  // On a cache line of its own, so that workers who do not steal do not meet.
  struct alignas(64) Deque {
    net::Mutex mutex;
    std::deque<std::unique_ptr<Connection>> ready GUARDED_BY(mutex);
  };

  void Push(std::unique_ptr<Connection> connection);
  void Work(size_t self);
  // Waits until some deque holds a connection for the caller. False: the model stops.
  bool AwaitWork();
  // That connection: the caller's own oldest, else another's.
  std::unique_ptr<Connection> TakeOrSteal(size_t self);
  std::unique_ptr<Connection> TakeTop(Deque* deque);

  Context context_;
  std::vector<std::unique_ptr<Deque>> deques_;
  std::atomic<size_t> next_home_{0};
  // Connections in all deques that no worker has come for yet.
  mutable net::Mutex mutex_;
  std::condition_variable_any pushed_;
  size_t unclaimed_ GUARDED_BY(mutex_) = 0;
  StandIns stand_ins_;
  Parking parking_;
  std::vector<std::thread> workers_;
};

}  // namespace objmapper::models
