#include "tools/bench/docs_run.h"

#include <stdio.h>

#include "tools/bench/bench.h"
#include "tools/bench/interrupt.h"
#include "tools/bench/report/docs.h"
#include "tools/bench/text_file.h"

namespace objmapper::bench {

namespace {

// The scenarios. Fixed, whatever flags say, so that two reports compare; rounds, duration, peers
// and the working folder may be chosen.
std::vector<CellPlan> Scenarios(const Settings& chosen) {
  Settings settings;
  settings.transports = {Transport::kUnix, Transport::kTcp};
  settings.peers = chosen.peers;
  settings.peer_names = chosen.peer_names;
  settings.client_threads = chosen.client_threads;
  std::vector<CellPlan> plans;
  // The four scenarios, then what else is promised: latency, pipelining, the disk, memory; and
  // storing.
  for (auto* plan : {PlanFdpass, PlanThroughput, PlanCopy, PlanSplice, PlanMixed, PlanLatency,
                     PlanPipeline, PlanCold, PlanIdle}) {
    for (CellPlan& one : plan(settings)) plans.push_back(std::move(one));
  }
  // Every way of storing, a small, a middling and a large object.
  Settings storing = settings;
  storing.transports = {Transport::kUnix};
  storing.sizes = {1 << 10, 100 << 10, 1 << 20};
  for (CellPlan& one : PlanPut(storing)) plans.push_back(std::move(one));
  return plans;
}

absl::StatusOr<Report> Given(const Settings& settings, const std::string& command) {
  if (settings.from_json.empty()) return RunAll(Scenarios(settings), settings, command);
  const absl::StatusOr<std::string> json = ReadText(settings.from_json);
  if (!json.ok()) return json.status();
  absl::StatusOr<Report> report = FromJson(*json);
  if (!report.ok()) {
    return absl::InvalidArgumentError(settings.from_json + ": " +
                                      std::string(report.status().message()));
  }
  return report;
}

}  // namespace

absl::Status WriteDocs(const Settings& settings, const std::string& command) {
  const absl::StatusOr<Report> report = Given(settings, command);
  if (!report.ok()) return report.status();
  absl::Status status = WriteForms(*report, settings);
  if (!status.ok() || Interrupted()) return status;
  status = WriteText(settings.out, DocsOf(*report));
  if (status.ok()) fprintf(stderr, "bench: wrote %s\n", settings.out.c_str());
  return status;
}

}  // namespace objmapper::bench
