// accept_pool: one thread watches all connections and queues those that are ready for the workers.
//
// What it is. The classic: an epoll thread, a queue with a condition variable, a fixed number of
// workers. A worker takes a ready connection, answers what has arrived, and gives it back to the
// set. When the queue is full, the epoll thread waits, and requests wait in their sockets.
//
// Where it wins. Any number of connections on a fixed number of threads, and fairness: one queue,
// oldest first. A request that takes long holds one worker, not those behind it in some other
// queue.
//
// Where it loses. Each request crosses threads: the epoll thread wakes, then a worker does, and
// under load all of them meet at one lock. The two wake-ups cost more than a short request's work.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "models/bounded_queue.h"
#include "models/context.h"
#include "models/parking.h"
#include "session/lane.h"

namespace objmapper::models {

class AcceptPool : public session::Lane {
 public:
  explicit AcceptPool(const Options& options);

  void Adopt(std::unique_ptr<session::Session> session) override;
  void Drain() override;
  void Stop() override;
  size_t QueueDepth() const override { return ready_.size(); }

 private:
  void Work();

  Context context_;
  BoundedQueue<std::unique_ptr<Connection>> ready_;
  StandIns stand_ins_;
  Parking parking_;
  std::vector<std::thread> workers_;
};

}  // namespace objmapper::models
