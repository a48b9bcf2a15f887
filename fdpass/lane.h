// The fdpass lane: a pool of synchronous workers, num_cores of them, that own their connections.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fdpass/worker.h"
#include "session/lane.h"
#include "session/loops.h"

namespace objmapper::fdpass {

class FdPassLane : public session::Lane {
 public:
  // Starts `workers` threads, 1 or more. engine: nullopt: io_uring, or, where that cannot be had,
  // epoll; the log says why. Errors: io_uring was asked for and cannot be had
  // (net::Ring::Create()).
  static absl::StatusOr<std::unique_ptr<FdPassLane>> Create(const Options& options, int workers,
                                                            std::optional<Engine> engine);

  // A connection goes to the worker that has the fewest, and stays there for its life in this lane.
  void Adopt(std::unique_ptr<session::Session> session) override {
    least_loaded_.Of<Worker>(workers_)->Adopt(std::move(session));
  }
  void Drain() override;
  void Stop() override;
  void AskPulse() override;
  std::string WithoutPulse() const override;
  size_t QueueDepth() const override;

  const char* engine_name() const { return engine_ == Engine::kUring ? "uring" : "epoll"; }
  const std::vector<std::unique_ptr<Worker>>& workers() const { return workers_; }

 private:
  explicit FdPassLane(Engine engine) : engine_(engine) {}

  const Engine engine_;
  std::vector<std::unique_ptr<Worker>> workers_;
  session::LeastLoaded least_loaded_;
};

}  // namespace objmapper::fdpass
