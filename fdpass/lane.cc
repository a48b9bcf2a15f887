// The fdpass lane's workers as one.
#include "fdpass/lane.h"

#include <glog/logging.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace objmapper::fdpass {

absl::StatusOr<std::unique_ptr<FdPassLane>> FdPassLane::Create(const Options& options, int workers,
                                                               std::optional<Engine> engine) {
  CHECK_GE(workers, 1);
  auto lane = std::unique_ptr<FdPassLane>(new FdPassLane(engine.value_or(Engine::kUring)));
  for (int i = 0; i < workers; ++i) {
    auto worker = std::make_unique<Worker>(options);
    if (absl::Status started = worker->Start(i, lane->engine_); !started.ok()) {
      lane->Stop();
      if (engine.has_value()) {
        return absl::FailedPreconditionError(
            absl::StrCat("--fdpass_engine=uring cannot be had: ", started.message()));
      }
      LOG(WARNING) << "fdpass_engine: epoll, since " << started.message();
      return Create(options, workers, Engine::kEpoll);
    }
    lane->workers_.push_back(std::move(worker));
  }
  return lane;
}

void FdPassLane::Drain() {
  for (const auto& worker : workers_) worker->Drain();
}

void FdPassLane::AskPulse() { session::AskPulseOfAll(workers_); }

std::string FdPassLane::WithoutPulse() const {
  return session::FirstWithoutPulse(workers_, "fdpass");
}

size_t FdPassLane::QueueDepth() const { return session::QueueDepthOfAll(workers_); }

void FdPassLane::Stop() {
  for (const auto& worker : workers_) worker->Stop();
}

}  // namespace objmapper::fdpass
