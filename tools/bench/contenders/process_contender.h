// A contender made of processes: what all of them are, however they were started.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/unique_fd.h"
#include "tools/bench/contenders/contender.h"
#include "tools/bench/contenders/process.h"

namespace objmapper::bench {

class ProcessContender : public Contender {
 public:
  ProcessContender(std::string name, Kind kind) : name_(std::move(name)), kind_(kind) {}
  // The last started ends first: a service before its bus.
  ~ProcessContender() override;

  // For whoever starts it.
  // Starts `argv`; its log is WORK_DIR/NAME.log, with `log_suffix` behind NAME.
  absl::Status Start(const std::string& work_dir, const std::string& log_suffix,
                     std::vector<std::string> argv, int descriptor_3 = -1);
  // It is to listen at `endpoint`: waits until it accepts a connection there, ten seconds at most.
  // UNAVAILABLE or DEADLINE_EXCEEDED, with the end of the log.
  absl::Status AddEndpoint(const Endpoint& endpoint);
  // Holds on to what its processes talk to, until they have ended.
  void KeepOpen(net::UniqueFd fd) { kept_open_.push_back(std::move(fd)); }
  Process& last_process() { return *processes_.back(); }
  // Something to know beside the command line: what it could not be given.
  void AddRemark(const std::string& remark) { remarks_ += "  # " + remark; }

  const std::string& name() const override { return name_; }
  Kind kind() const override { return kind_; }
  absl::StatusOr<Endpoint> endpoint(Transport transport) const override;
  std::string command() const override;
  absl::StatusOr<Usage> usage() const override;

 private:
  const std::string name_;
  const Kind kind_;
  std::string remarks_;
  std::vector<net::UniqueFd> kept_open_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<Endpoint> endpoints_;
};

// How long a contender may take to answer.
inline constexpr absl::Duration kStartTime = absl::Seconds(10);

}  // namespace objmapper::bench
