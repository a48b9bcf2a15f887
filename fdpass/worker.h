// One worker of the fdpass lane: a thread, its kernel, and the rounds on it.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "fdpass/kernel.h"
#include "fdpass/packing.h"
#include "fdpass/round.h"
#include "net/unique_fd.h"
#include "session/loops.h"
#include "session/session.h"

namespace objmapper::fdpass {

enum class Engine : uint8_t { kUring, kEpoll };

class FdPassLane;

class Worker : public session::LoopThread<std::unique_ptr<session::Session>> {
 public:
  using Options = fdpass::Options;

  // lane: with which its connections are kept together; outlives the worker. Null: it keeps them.
  explicit Worker(const Options& options, FdPassLane* lane = nullptr)
      : options_(options), lane_(lane) {}

  // Starts the thread "fdpass/<number>", which makes its kernel. Errors: it cannot be had; as
  // net::Ring::Create().
  absl::Status Start(int number, Engine engine);

  const WorkerCounters& counters() const { return counters_; }
  // How long its thread has been running, or waited for a processor. Any thread, while it is there.
  uint64_t busy_ns() const;

 private:
  void Run(Kernel* kernel);
  void KeepTogether(Round* round);
  // Ends a system call that blocks the worker, by a signal; any thread.
  void Interrupt();

  const Options options_;
  FdPassLane* const lane_;
  int number_ = 0;
  net::UniqueFd schedstat_;  // of the thread; none where the system tells no such thing
  Packing::Part part_;       // in what the lane's workers do together
  WorkerCounters counters_;
};

}  // namespace objmapper::fdpass
