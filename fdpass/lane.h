// The fdpass lane: a pool of synchronous workers, num_cores of them, that own their connections.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "fdpass/worker.h"
#include "router/lane.h"

namespace objmapper::fdpass {

class FdPassLane : public router::Lane {
 public:
  // `workers`: 1 or more. Starts the threads.
  FdPassLane(const Worker::Options& options, int workers);

  // A connection goes to the worker that has the fewest, and stays there for its life in this lane.
  void Adopt(std::unique_ptr<router::Session> session) override;
  void Drain() override;
  void Stop() override;

  const std::vector<std::unique_ptr<Worker>>& workers() const { return workers_; }

 private:
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<size_t> next_{0};
};

}  // namespace objmapper::fdpass
