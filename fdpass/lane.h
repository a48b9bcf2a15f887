// The fdpass lane: a pool of synchronous workers, num_cores of them, that own their connections,
// which are kept together on as few as keep up.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "fdpass/packing.h"
#include "fdpass/worker.h"
#include "session/loops.h"

namespace objmapper::fdpass {

class FdPassLane : public session::LoopLane<Worker> {
 public:
  // Starts `workers` threads, 1 or more. engine: nullopt: io_uring, or, where that cannot be had,
  // epoll; the log says why. Errors: io_uring was asked for and cannot be had
  // (net::Ring::Create()).
  static absl::StatusOr<std::unique_ptr<FdPassLane>> Create(const Options& options, int workers,
                                                            std::optional<Engine> engine);

  // A connection goes to the one that has the fewest of the workers in use.
  void Adopt(std::unique_ptr<session::Session> session) override {
    AdoptAmong(0, static_cast<size_t>(in_use()), std::move(session));
  }

  const char* engine_name() const { return engine_ == Engine::kUring ? "uring" : "epoll"; }

  // ---- For workers, on their threads ----

  // How many of them, the first ones, are in use.
  int in_use() const { return packing_.in_use(); }
  const Packing& packing() const { return packing_; }
  // Takes a sample of what all of them do, if that is due.
  void Look(int64_t now_ns) {
    if (packing_.Due(now_ns)) TakeSample(now_ns);
  }
  // How many connections the worker has that belong to others.
  size_t SurplusOf(const Worker& worker) const;
  // For tests: so many are in use.
  void Use(int workers) { packing_.Fix(workers); }

 private:
  FdPassLane(Engine engine, int workers) : LoopLane("fdpass"), engine_(engine), packing_(workers) {}
  void TakeSample(int64_t now_ns);

  const Engine engine_;
  Packing packing_;
};

}  // namespace objmapper::fdpass
