#include "fdpass/lane.h"

#include <glog/logging.h>

namespace objmapper::fdpass {

FdPassLane::FdPassLane(const Worker::Options& options, int workers) {
  CHECK_GE(workers, 1);
  for (int i = 0; i < workers; ++i) {
    workers_.push_back(std::make_unique<Worker>(options));
    workers_.back()->Start(i);
  }
}

void FdPassLane::Adopt(std::unique_ptr<router::Session> session) {
  // Where several have equally few, they take turns.
  const size_t start = next_.fetch_add(1, std::memory_order_relaxed);
  Worker* best = nullptr;
  for (size_t i = 0; i < workers_.size(); ++i) {
    Worker* worker = workers_[(start + i) % workers_.size()].get();
    if (best == nullptr || worker->load() < best->load()) best = worker;
  }
  best->Adopt(std::move(session));
}

void FdPassLane::Drain() {
  for (const auto& worker : workers_) worker->Drain();
}

void FdPassLane::Stop() {
  for (const auto& worker : workers_) worker->Stop();
}

}  // namespace objmapper::fdpass
