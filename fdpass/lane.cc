// The fdpass lane's workers as one.
#include "fdpass/lane.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace objmapper::fdpass {

absl::StatusOr<std::unique_ptr<FdPassLane>> FdPassLane::Create(const Options& options, int workers,
                                                               std::optional<Engine> engine) {
  CHECK_GE(workers, 1);
  auto lane = std::unique_ptr<FdPassLane>(new FdPassLane(engine.value_or(Engine::kUring), workers));
  if (options.in_use > 0) lane->Use(options.in_use);
  // All before any is started: they look at each other.
  for (int i = 0; i < workers; ++i)
    lane->loops_.push_back(std::make_unique<Worker>(options, lane.get()));
  for (int i = 0; i < workers; ++i) {
    if (absl::Status started = lane->loops_[static_cast<size_t>(i)]->Start(i, lane->engine_);
        !started.ok()) {
      lane->Stop();
      if (engine.has_value()) {
        return absl::FailedPreconditionError(
            absl::StrCat("--fdpass_engine=uring cannot be had: ", started.message()));
      }
      LOG(WARNING) << "fdpass_engine: epoll, since " << started.message();
      return Create(options, workers, Engine::kEpoll);
    }
  }
  return lane;
}

void FdPassLane::TakeSample(int64_t now_ns) {
  Packing::Sample sample{.now_ns = now_ns};
  for (const auto& worker : loops_) {
    sample.requests += worker->counters().requests;
    sample.busy_ns += worker->busy_ns();
    sample.connections += worker->load();
  }
  packing_.Note(sample);
}

size_t FdPassLane::SurplusOf(const Worker& worker) const {
  const size_t used = static_cast<size_t>(in_use());
  size_t all = 0;
  bool belongs = false;
  for (size_t i = 0; i < loops_.size(); ++i) {
    all += loops_[i]->load();
    if (loops_[i].get() == &worker) belongs = i < used;
  }
  const size_t share = belongs ? (all + used - 1) / used : 0;
  return worker.load() - std::min(worker.load(), share);
}

}  // namespace objmapper::fdpass
