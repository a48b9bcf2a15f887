// The lanes of a server: the fdpass lane and the copypath, or one concurrency model in place of
// both.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fdpass/lane.h"
#include "loop/lane.h"
#include "models/context.h"
#include "server/admin/vitals.h"
#include "server/flags/config.h"
#include "session/lane.h"

namespace objmapper::server {

class Lanes {
 public:
  // Starts those that `config` asks for. options: what they work with; all of it outlives them.
  // Errors: the engine asked for cannot be had; the message is for the operator.
  static absl::StatusOr<std::unique_ptr<Lanes>> Start(const Config& config,
                                                      const models::Options& options);
  // Ends the threads; sessions still here are closed as they are.
  ~Lanes();

  // As the router has them: null where nobody can reach it, or a model serves;
  session::Lane* fdpass() const { return fdpass_.get(); }
  // and all else is this one's.
  session::Lane* others() const;

  // As session::Lane has it, of all of them.
  void Drain();
  void AskPulse();
  std::string WithoutPulse() const;
  std::string WithoutThreads(absl::Duration patience) const;

  // Their figures. Any thread.
  std::vector<Vitals::Lane> Read() const;
  // "2 fdpass workers on uring, ...": what they are made of; for the log.
  std::string Shape(const Config& config) const;

 private:
  absl::Status MakeFdPass(const Config& config, const loop::LoopOptions& loop);

  // Those there are.
  std::vector<session::Lane*> All() const;

  std::unique_ptr<loop::CopyPathLane> copypath_;
  std::unique_ptr<fdpass::FdPassLane> fdpass_;
  std::unique_ptr<session::Lane> model_;  // in place of both
};

}  // namespace objmapper::server
