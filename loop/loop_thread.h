// The thread of an event loop, as others see it: where connections are given to it, and what is
// asked of it.
#pragma once

#include "absl/status/status.h"
#include "loop/loop.h"
#include "session/loops.h"

namespace objmapper::loop {

// Any thread, but for Start() and Stop().
class LoopThread : public session::LoopThread<Loop::Letter> {
 public:
  explicit LoopThread(const LoopOptions& options) : loop_(options, &thread_, &load_) {}

  // Starts the thread "copypath/<number>". Errors: as Loop::Open().
  absl::Status Start(int number);

  // What of it is any thread's.
  const Loop& loop() const { return loop_; }

 private:
  Loop loop_;
};

}  // namespace objmapper::loop
