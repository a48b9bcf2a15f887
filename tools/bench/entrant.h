// One contender in one cell: its process, the connections to it, and its samples.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/bench/cell_plan.h"
#include "tools/bench/contenders/contender.h"
#include "tools/bench/load/load.h"
#include "tools/bench/object_folder.h"
#include "tools/bench/report/report.h"
#include "tools/bench/warnings.h"

namespace objmapper::bench {

class Entrant {
 public:
  // `plan`, `settings` and `folder` are borrowed and outlive this.
  Entrant(const CellPlan& plan, const Settings& settings, ObjectFolder& folder, std::string name);

  // Starts the server, connects, warms up. Errors say why this contender is missing.
  absl::Status Start(const ObjectSet& objects);
  // Closes the connections and ends the server.
  void Stop();

  absl::StatusOr<Sample> Measure();

  // What it does in a closed loop, in requests a second; for the open loop's rate. Started.
  absl::StatusOr<double> Saturate();
  // Of all that follow.
  void SetRate(double rate);
  // Load::KeepTo() of all that follow.
  void KeepClientTo(int core);

  const std::string& name() const { return name_; }
  Kind kind() const { return kind_; }
  const std::string& command() const { return command_; }
  const Surroundings& surroundings() const { return surroundings_; }  // of the last Measure()

 private:
  absl::Status Connect();
  absl::Duration Warmup() const;
  absl::Duration SampleTime() const;

  const CellPlan& plan_;
  const Settings& settings_;
  ObjectFolder& folder_;
  const std::string name_;
  const Kind kind_;
  std::string command_;
  double rate_;
  int core_ = -1;
  uint64_t rss_before_ = 0;
  std::unique_ptr<Contender> contender_;
  std::unique_ptr<Load> load_, beside_;  // end before the server does
  Surroundings surroundings_;
};

}  // namespace objmapper::bench
