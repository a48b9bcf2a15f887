// A lane of event loops, and the splice threads behind them: the copypath, with one loop unless
// --copy_loops says more; and the fdpass lane where its workers run on rings, with num_cores of them.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "copypath/blocking_pool.h"
#include "copypath/loop.h"
#include "router/lane.h"
#include "router/loops.h"

namespace objmapper::copypath {

class CopyPathLane : public router::Lane {
 public:
  // `options.pool` is set here. FAILED_PRECONDITION: the engine asked for cannot be had; the
  // message says why.
  static absl::StatusOr<std::unique_ptr<CopyPathLane>> Create(LoopOptions options, int loops,
                                                              int splice_threads);

  // A connection goes to the loop that has the fewest.
  void Adopt(std::unique_ptr<router::Session> session) override;
  void Drain() override;
  void Stop() override;
  void AskPulse() override;
  std::string WithoutPulse() const override;
  size_t QueueDepth() const override;

  // "uring" or "epoll".
  const char* engine_name() const { return loops_.front()->engine_name(); }
  int splice_threads() const { return splice_threads_; }
  const std::vector<std::unique_ptr<Loop>>& loops() const { return loops_; }

 private:
  explicit CopyPathLane(int splice_threads)
      : splice_threads_(splice_threads), pool_(splice_threads) {}

  const int splice_threads_;
  BlockingPool pool_;
  std::vector<std::unique_ptr<Loop>> loops_;
  router::LeastLoaded least_loaded_;
};

}  // namespace objmapper::copypath
