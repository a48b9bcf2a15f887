// The fdpass lane: a pool of synchronous workers, num_cores of them, that own their connections,
// and somebody who watches that none of them hangs in a system call.
#pragma once

#include <condition_variable>
#include <memory>
#include <thread>
#include <vector>

#include "fdpass/worker.h"
#include "net/mutex.h"
#include "session/lane.h"
#include "session/loops.h"

namespace objmapper::fdpass {

class FdPassLane : public session::Lane {
 public:
  // `workers`: 1 or more. Starts the threads.
  FdPassLane(const Worker::Options& options, int workers);

  // A connection goes to the worker that has the fewest, and stays there for its life in this lane.
  void Adopt(std::unique_ptr<session::Session> session) override;
  void Drain() override;
  void Stop() override;
  void AskPulse() override;
  std::string WithoutPulse() const override;
  size_t QueueDepth() const override;

  const std::vector<std::unique_ptr<Worker>>& workers() const { return workers_; }

 private:
  // Interrupts workers that have been busy with one turn for too long: a name that was an object a
  // moment ago can have become a FIFO, and opening that blocks (storage/tree/directory_cache.h). A
  // turn that is long because the disk is slow is not disturbed: waiting for a disk cannot be
  // interrupted.
  void Watch();

  std::vector<std::unique_ptr<Worker>> workers_;
  session::LeastLoaded least_loaded_;
  net::Mutex mutex_;
  std::condition_variable_any stop_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread watcher_;
};

}  // namespace objmapper::fdpass
