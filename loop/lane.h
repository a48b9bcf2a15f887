// A lane of event loops, and the splice threads behind them: one loop, unless --copy_loops says
// more.
//
// It has loops besides for TCP connections with large bodies. There the kernel does the
// receiver's half of the protocol on the sender's thread, and it is the thread's time that bounds
// what moves, not the wake-ups that one loop for all saves: measured, as docs/tuning.md says. Small
// objects keep the one loop, and do not wait behind a megabyte.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "copypath/blocking_pool.h"
#include "loop/loop.h"
#include "loop/loop_thread.h"
#include "session/loops.h"

namespace objmapper::loop {

class CopyPathLane : public session::LoopLane<LoopThread> {
 public:
  struct Threads {
    int loops = 1;
    int bulk_loops = 0;  // besides; 0: such connections stay with the others
    int splice = 0;
  };
  // `options.pool` is set here. FAILED_PRECONDITION: the engine asked for cannot be had; the
  // message says why.
  static absl::StatusOr<std::unique_ptr<CopyPathLane>> Create(LoopOptions options,
                                                              const Threads& threads);

  ~CopyPathLane() override { loops_.clear(); }  // before their pools

  // A connection goes to the loop that has the fewest of its kind; those for large bodies are the
  // last.
  void Adopt(std::unique_ptr<session::Session> session) override;
  void Stop() override;
  std::string WithoutThreads(absl::Duration patience) const override;

  // Runs `work`, which is known to take long (storage/tree/slow_opens.h), on a thread of those for
  // that. Any thread.
  void RunSlowly(std::function<void()> work) { slow_pool_.Run(std::move(work)); }

  // "uring" or "epoll".
  const char* engine_name() const { return loops_.front()->loop().engine_name(); }
  int splice_threads() const { return threads_.splice; }

 private:
  // At so many clients' files it is waited at the same time; who comes then waits for one of them
  // to answer.
  static constexpr int kForeignThreadsMax = 32;

  // And so many opens of file systems that are slow at it.
  static constexpr int kSlowThreadsMax = 32;

  explicit CopyPathLane(const Threads& threads)
      : LoopLane("copypath"),
        threads_(threads),
        pool_(threads.splice),
        foreign_pool_(0, "putfd", kForeignThreadsMax),
        slow_pool_(0, "slow", kSlowThreadsMax) {}

  const Threads threads_;
  copypath::BlockingPool pool_;
  copypath::BlockingPool foreign_pool_;
  copypath::BlockingPool slow_pool_;
};

}  // namespace objmapper::loop
