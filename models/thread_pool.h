// thread_pool: a fixed number of workers, each of which keeps a connection until it closes.
//
// What it is. Connections wait in a queue; a worker takes the oldest and serves it to its end, also
// through the time in which its client asks nothing. When the queue is full, a connection is told
// UNAVAILABLE and closed.
//
// Where it wins. Short connections with few requests each: no thread is created, nothing is handed
// over per request, and the number of threads is what the machine can use.
//
// Where it loses. Persistent connections. With pool_size of them open, the next waits until one
// closes, however idle they are: its latency is the others' lifetime, and the timeouts that hold
// for a silent client do not help it. Only --idle_timeout and --requests_per_conn free a worker.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "models/bounded_queue.h"
#include "models/context.h"
#include "session/lane.h"

namespace objmapper::models {

class ThreadPool : public session::Lane {
 public:
  explicit ThreadPool(const Options& options);

  void Adopt(std::unique_ptr<session::Session> session) override;
  void Drain() override;
  void Stop() override;
  size_t QueueDepth() const override { return queue_.size(); }

 private:
  void Work();

  Context context_;
  BoundedQueue<std::unique_ptr<session::Session>> queue_;
  StandIns stand_ins_;
  std::vector<std::thread> workers_;
};

}  // namespace objmapper::models
