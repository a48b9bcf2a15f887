#include "tools/bench/bench.h"

#include <stdio.h>

#include "absl/strings/str_cat.h"
#include "tools/bench/interrupt.h"
#include "tools/bench/machine.h"
#include "tools/bench/object_folder.h"
#include "tools/bench/progress.h"
#include "tools/bench/report/cliffs.h"
#include "tools/bench/report/few_connections.h"
#include "tools/bench/runner.h"
#include "tools/bench/text_file.h"

namespace objmapper::bench {

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
      const absl::Status written = WriteText(settings.json_file, ToJson(report));
      if (!written.ok()) return written;
    }
  }
  printf("%s%s", CliffsText(report).c_str(), FewConnectionsText(report).c_str());
  return report;
}

absl::Status WriteForms(const Report& report, const Settings& settings) {
  if (!settings.json_file.empty()) {
    absl::Status status = WriteText(settings.json_file, ToJson(report));
    if (!status.ok()) return status;
  }
  if (settings.html_file.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> chart_js = ReadText(settings.chart_js);
  if (!chart_js.ok()) {
    return absl::NotFoundError(absl::StrCat(chart_js.status().message(),
                                            "; Debian's libjs-chart.js has it, see --chart_js"));
  }
  return WriteText(settings.html_file, ToHtml(report, *chart_js));
}

}  // namespace objmapper::bench
