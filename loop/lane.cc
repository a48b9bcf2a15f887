// Starts the loops and gives each connection to one of them.
#include "loop/lane.h"

#include <glog/logging.h>

#include "absl/strings/str_cat.h"
#include "net/clock.h"

namespace objmapper::loop {

absl::StatusOr<std::unique_ptr<CopyPathLane>> CopyPathLane::Create(LoopOptions options,
                                                                   const Threads& threads) {
  CHECK_GE(threads.loops, 1);
  auto lane = std::unique_ptr<CopyPathLane>(new CopyPathLane(threads));
  options.pool = &lane->pool_;
  options.foreign_pool = &lane->foreign_pool_;
  options.slow_pool = &lane->slow_pool_;
  if (threads.bulk_loops == 0) options.bulk_bytes_min = 0;
  for (int i = 0; i < threads.loops + threads.bulk_loops; ++i) {
    auto loop = std::make_unique<LoopThread>(options);
    const absl::Status started = loop->Start(i);
    if (!started.ok()) {
      lane->Stop();
      return started;
    }
    lane->loops_.push_back(std::move(loop));
  }
  return lane;
}

void CopyPathLane::Adopt(std::unique_ptr<session::Session> session) {
  const size_t others = static_cast<size_t>(threads_.loops);
  const size_t bulk = static_cast<size_t>(threads_.bulk_loops);
  if (session->bulk && bulk > 0) {
    AdoptAmong(others, bulk, std::move(session));
  } else {
    AdoptAmong(0, others, std::move(session));
  }
}

std::string CopyPathLane::WithoutThreads(absl::Duration patience) const {
  // Not those that wait for clients' files: else a client could have the server restarted.
  if (pool_.WaitingNs(net::NowNs()) <= absl::ToInt64Nanoseconds(patience)) return "";
  return absl::StrCat("copypath's ", pool_.name(), " threads");
}

void CopyPathLane::Stop() {
  LoopLane::Stop();
  pool_.Stop();
  foreign_pool_.Stop();
  slow_pool_.Stop();
}

}  // namespace objmapper::loop
