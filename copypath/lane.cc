#include "copypath/lane.h"

#include <glog/logging.h>

namespace objmapper::copypath {

absl::StatusOr<std::unique_ptr<CopyPathLane>> CopyPathLane::Create(LoopOptions options, int loops,
                                                                   int splice_threads) {
  CHECK_GE(loops, 1);
  auto lane = std::unique_ptr<CopyPathLane>(new CopyPathLane(splice_threads));
  options.pool = &lane->pool_;
  const char* const name = options.lane == router::LaneKind::kFdPass ? "fdpass" : "copypath";
  for (int i = 0; i < loops; ++i) {
    auto loop = std::make_unique<Loop>(options, name);
    const absl::Status started = loop->Start(i);
    if (!started.ok()) {
      lane->Stop();
      return started;
    }
    lane->loops_.push_back(std::move(loop));
  }
  return lane;
}

void CopyPathLane::Adopt(std::unique_ptr<router::Session> session) {
  least_loaded_.Of(loops_)->Adopt(std::move(session));
}

void CopyPathLane::Drain() {
  for (const auto& loop : loops_) loop->Drain();
}

void CopyPathLane::AskPulse() { router::AskPulseOfAll(loops_); }

std::string CopyPathLane::WithoutPulse() const { return router::FirstWithoutPulse(loops_, loops_.front()->name()); }

size_t CopyPathLane::QueueDepth() const { return router::QueueDepthOfAll(loops_); }

void CopyPathLane::Stop() {
  for (const auto& loop : loops_) loop->Stop();
  pool_.Stop();
}

}  // namespace objmapper::copypath
