// The benchmark suite: bench WORKLOAD [flags]. cell_plan.h and plan_*.cc say what a workload is.
//
// Exit codes: 0 measured and written; 1 something failed; 2 the command line makes no sense; 130
// interrupted (what was complete has been written).

#include <gflags/gflags.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "net/standard_streams.h"
#include "text/version.h"
#include "tools/bench/cell_plan.h"
#include "tools/bench/contenders/contender.h"
#include "tools/bench/contenders/floor/floor_main.h"
#include "tools/bench/contenders/place.h"
#include "tools/bench/generators.h"
#include "tools/bench/machine.h"
#include "tools/bench/object_folder.h"
#include "tools/bench/origin/origin.h"
#include "tools/bench/programs.h"
#include "tools/bench/progress.h"
#include "tools/bench/report/report.h"
#include "tools/bench/runner.h"
#include "tools/checked_flags.h"

DECLARE_bool(help);

namespace objmapper::bench {

namespace {

constexpr char kOrigin[] = "origin";

int Fail(const absl::Status& status, int code) {
  fprintf(stderr, "bench: %s\n", std::string(status.message()).c_str());
  return code;
}

void PrintHelp() {
  printf("bench WORKLOAD [flags]: measures object servers against each other.\n\nWorkloads:\n");
  for (const Workload& workload : Workloads())
    printf("  %-15s %s\n", workload.name, workload.about);
  printf("  %-15s %s\n  %-15s %s\n  %-15s %s\n", "all", "all of these", "report",
         "the scenarios of docs/benchmarks/tables.md, which it writes", kOrigin,
         "objects from an origin (nginx, Ceph's radosgw), against fetching them otherwise");
  printf("\nContenders:\n%s\nFlags:\n", Roster().c_str());
  std::vector<gflags::CommandLineFlagInfo> flags;
  gflags::GetAllFlags(&flags);
  for (const gflags::CommandLineFlagInfo& flag : flags) {
    if (flag.filename.find("bench/settings.cc") == std::string::npos) continue;
    printf("  --%s=%s\n      %s\n", flag.name.c_str(), flag.default_value.c_str(),
           flag.description.c_str());
  }
}

std::string CommandAsTyped(int argc, char** argv) {
  std::string command = "bazel run -c opt //tools/bench --";
  for (int i = 1; i < argc; ++i) {
    const bool quoted = strpbrk(argv[i], " \"'$&|;<>()") != nullptr;
    absl::StrAppend(&command, " ", quoted ? "'" : "", argv[i], quoted ? "'" : "");
  }
  return command;
}

absl::Status WriteJson(const Report& report, const Settings& settings) {
  return settings.json_file.empty() ? absl::OkStatus()
                                    : WriteFile(settings.json_file, ToJson(report));
}

// Measures all cells; each one's table goes to stdout when it is done. Interrupted, it ends early
// with the cells that are complete. `command`: as typed, for the report.
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
    if (const absl::Status written = WriteJson(report, settings); !written.ok()) return written;
  }
  printf("%s%s%s%s", CliffsText(report).c_str(), FewConnectionsText(report).c_str(),
         HttpText(report).c_str(), CrossCheckText(report).c_str());
  return report;
}

// Writes --json and --html, when given.
absl::Status WriteForms(const Report& report, const Settings& settings) {
  const absl::Status status = WriteJson(report, settings);
  if (!status.ok() || settings.html_file.empty()) return status;
  absl::StatusOr<std::string> chart_js = ReadFile(settings.chart_js);
  if (!chart_js.ok()) {
    return absl::NotFoundError(absl::StrCat(chart_js.status().message(),
                                            "; Debian's libjs-chart.js has it, see --chart_js"));
  }
  return WriteFile(settings.html_file, ToHtml(report, *chart_js));
}

absl::StatusOr<Report> ReadReport(const std::string& path) {
  const absl::StatusOr<std::string> json = ReadFile(path);
  if (!json.ok()) return json.status();
  absl::StatusOr<Report> report = FromJson(*json);
  if (report.ok()) return report;
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", report.status().message()));
}

// Measures a workload, or the scenarios of "report" (or reads --from_json), and writes what is
// wanted of it. Returns the exit code.
int MeasureAndWrite(const std::string& workload, const Settings& settings,
                    const std::string& command) {
  const bool scenarios = workload == "report";
  absl::StatusOr<Report> report;
  if (scenarios && !settings.from_json.empty()) {
    report = ReadReport(settings.from_json);
  } else {
    const absl::StatusOr<std::vector<CellPlan>> plans =
        scenarios ? Scenarios(settings) : PlanOf(workload, settings);
    if (!plans.ok()) return Fail(plans.status(), 2);
    for (const CellPlan& plan : *plans) {
      if (const absl::Status there = CheckInstalled(plan.generator); !there.ok())
        return Fail(there, 1);
    }
    report = RunAll(*plans, settings, command);
  }
  if (!report.ok()) return Fail(report.status(), 1);
  absl::Status written = WriteForms(*report, settings);
  // An interrupted run leaves --out as it was.
  if (scenarios && written.ok() && !Interrupted()) {
    written = WriteFile(settings.out, DocsOf(*report));
    if (written.ok()) fprintf(stderr, "bench: wrote %s\n", settings.out.c_str());
  }
  if (!written.ok()) return Fail(written, 1);
  return Interrupted() ? 130 : 0;
}

// The workload that has no cells. Returns the exit code.
int MeasureOrigin(const Settings& settings) {
  if (!settings.json_file.empty() || !settings.html_file.empty()) {
    return Fail(absl::InvalidArgumentError("--json and --html: origin only prints its table"), 2);
  }
  absl::StatusOr<ObjectFolder> folder = ObjectFolder::Make(settings.work_dir);
  if (!folder.ok()) return Fail(folder.status(), 1);
  const absl::StatusOr<std::string> room = folder->Room(kOrigin);
  if (!room.ok()) return Fail(room.status(), 1);
  Figures figures;
  const absl::Status measured = RunOrigin({.settings = settings.origin,
                                           .rounds = settings.rounds,
                                           .duration = settings.duration,
                                           .folder = *room,
                                           .server_flags = settings.server_flags,
                                           .interrupted = Interrupted},
                                          figures);
  printf("\n%s", figures.Table().c_str());
  if (absl::IsCancelled(measured)) return 130;
  return measured.ok() ? 0 : Fail(measured, 1);
}

int Main(int argc, char** argv) {
  if (IsFloor(argc, argv)) return FloorMain(argc, argv);
  const std::string command = CommandAsTyped(argc, argv);
  // gflags wants a value for a string flag; --peers alone means those that fit.
  char fitting[] = "--peers=fitting";
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], "--peers") == 0 || strcmp(argv[i], "-peers") == 0) argv[i] = fitting;
  }
  if (const absl::Status checked = tools::CheckFlags(argc, argv); !checked.ok())
    return Fail(checked, 2);
  gflags::SetVersionString(std::string(text::kVersion));
  gflags::ParseCommandLineNonHelpFlags(&argc, &argv, /*remove_flags=*/true);
  if (FLAGS_help) {
    PrintHelp();
    return 0;
  }
  gflags::HandleCommandLineHelpFlags();
  if (argc < 2) {
    PrintHelp();
    return 2;
  }
  if (argc > 2) {
    return Fail(absl::InvalidArgumentError(absl::StrCat("\"", argv[2], "\" after the workload \"",
                                                        argv[1], "\" is no flag; see --help")),
                2);
  }
  // "bazel run" starts programs elsewhere and tells where it was called: relative paths mean that
  // place.
  const char* const called_from = getenv("BUILD_WORKING_DIRECTORY");
  if (called_from != nullptr && chdir(called_from) != 0) perror("bench: the working folder");

  const absl::StatusOr<Settings> settings = SettingsFromFlags();
  if (!settings.ok()) return Fail(settings.status(), 2);
  WatchForInterrupts();
  if (strcmp(argv[1], kOrigin) == 0) return MeasureOrigin(*settings);
  return MeasureAndWrite(argv[1], *settings, command);
}

}  // namespace

}  // namespace objmapper::bench

int main(int argc, char** argv) {
  objmapper::net::HoldStandardStreams();
  return objmapper::bench::Main(argc, argv);
}
