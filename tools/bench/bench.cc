// A run from its plans to its reports.
#include "tools/bench/bench.h"

#include <stdio.h>

#include "absl/strings/str_cat.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/interrupt.h"
#include "tools/bench/machine.h"
#include "tools/bench/object_folder.h"
#include "tools/bench/progress.h"
#include "tools/bench/report/cliffs.h"
#include "tools/bench/report/docs.h"
#include "tools/bench/report/few_connections.h"
#include "tools/bench/runner.h"

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
  const absl::StatusOr<std::string> json = ReadFile(settings.from_json);
  if (!json.ok()) return json.status();
  absl::StatusOr<Report> report = FromJson(*json);
  if (!report.ok()) {
    return absl::InvalidArgumentError(settings.from_json + ": " +
                                      std::string(report.status().message()));
  }
  return report;
}

}  // namespace

absl::StatusOr<Report> RunAll(const std::vector<CellPlan>& plans, const Settings& settings,
                              const std::string& command) {
  Report report;
  report.date = Now();
  report.command = command;
  report.version = ThisVersion();
  report.machine = ThisMachine();
  report.machine.slowest_core = SlowestOf(UsableCores());
  report.rounds = settings.rounds;
  report.seconds_per_round = absl::ToDoubleSeconds(settings.duration);

  absl::StatusOr<ObjectFolder> folder = ObjectFolder::Make(settings.work_dir);
  if (!folder.ok()) return folder.status();
  int steps = 0;
  for (const CellPlan& plan : plans) {
    steps += RoundsOf(plan, settings) * static_cast<int>(plan.contenders.size());
  }
  Progress progress(steps);
  for (const CellPlan& plan : plans) {
    absl::StatusOr<Cell> cell = RunCell(plan, settings, *folder, progress);
    progress.Clear();
    if (absl::IsCancelled(cell.status())) {
      fprintf(stderr, "bench: interrupted; %zu of %zu cells are complete\n", report.cells.size(),
              plans.size());
      break;
    }
    if (!cell.ok()) return cell.status();
    printf("%s\n", CellTable(*cell).c_str());
    fflush(stdout);
    report.cells.push_back(*std::move(cell));
    // After each, so that a run that is killed leaves what it has measured (report --from_json).
    if (!settings.json_file.empty()) {
      const absl::Status written = WriteFile(settings.json_file, ToJson(report));
      if (!written.ok()) return written;
    }
  }
  printf("%s%s", CliffsText(report).c_str(), FewConnectionsText(report).c_str());
  return report;
}

absl::Status WriteForms(const Report& report, const Settings& settings) {
  if (!settings.json_file.empty()) {
    absl::Status status = WriteFile(settings.json_file, ToJson(report));
    if (!status.ok()) return status;
  }
  if (settings.html_file.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> chart_js = ReadFile(settings.chart_js);
  if (!chart_js.ok()) {
    return absl::NotFoundError(absl::StrCat(chart_js.status().message(),
                                            "; Debian's libjs-chart.js has it, see --chart_js"));
  }
  return WriteFile(settings.html_file, ToHtml(report, *chart_js));
}

absl::Status WriteDocs(const Settings& settings, const std::string& command) {
  const absl::StatusOr<Report> report = Given(settings, command);
  if (!report.ok()) return report.status();
  absl::Status status = WriteForms(*report, settings);
  if (!status.ok() || Interrupted()) return status;
  status = WriteFile(settings.out, DocsOf(*report));
  if (status.ok()) fprintf(stderr, "bench: wrote %s\n", settings.out.c_str());
  return status;
}

}  // namespace objmapper::bench
