// The thread of an event loop, as others see it: where connections are given to it, and what is
// asked of it.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "loop/loop.h"
#include "session/session.h"

namespace objmapper::loop {

// Any thread, but for Start() and Stop().
class LoopThread {
 public:
  explicit LoopThread(const LoopOptions& options) : loop_(options, &thread_, &load_) {}

  // Starts the thread "copypath/<number>". Errors: as Loop::Open().
  absl::Status Start(int number);
  void Adopt(std::unique_ptr<session::Session> session) {
    load_.fetch_add(1, std::memory_order_relaxed);
    thread_.Put(std::move(session));
  }
  void Drain() { thread_.Drain(); }
  void Stop() { thread_.Stop(); }  // once; joins the thread

  // What of it is any thread's.
  const Loop& loop() const { return loop_; }
  // As Lane's.
  size_t queue_depth() const { return thread_.queue_depth(); }
  void AskPulse() { thread_.AskPulse(); }
  bool HasPulse() const { return thread_.HasPulse(); }
  // How many connections it has.
  size_t load() const { return load_.load(std::memory_order_relaxed); }

 private:
  std::atomic<size_t> load_{0};
  Loop loop_;
  Loop::Thread thread_;
};

}  // namespace objmapper::loop
