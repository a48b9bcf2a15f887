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
#include "tools/bench/bench.h"
#include "tools/bench/contenders/contender.h"
#include "tools/bench/contenders/floor/floor_main.h"
#include "tools/bench/interrupt.h"
#include "tools/checked_flags.h"

DECLARE_bool(help);

namespace objmapper::bench {

namespace {

int Fail(const absl::Status& status, int code) {
  fprintf(stderr, "bench: %s\n", std::string(status.message()).c_str());
  return code;
}

void PrintHelp() {
  printf("bench WORKLOAD [flags]: measures object servers against each other.\n\nWorkloads:\n");
  for (const Workload& workload : Workloads())
    printf("  %-15s %s\n", workload.name, workload.about);
  printf("  %-15s %s\n  %-15s %s\n", "all", "all of these", "report",
         "the scenarios of docs/benchmarks/tables.md, which it writes");
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

int Measure(const std::string& workload, const Settings& settings, const std::string& command) {
  absl::StatusOr<std::vector<CellPlan>> plans = PlanOf(workload, settings);
  if (!plans.ok()) return Fail(plans.status(), 2);
  absl::StatusOr<Report> report = RunAll(*plans, settings, command);
  if (!report.ok()) return Fail(report.status(), 1);
  const absl::Status written = WriteForms(*report, settings);
  if (!written.ok()) return Fail(written, 1);
  return Interrupted() ? 130 : 0;
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
  if (strcmp(argv[1], "report") != 0) return Measure(argv[1], *settings, command);
  const absl::Status written = WriteDocs(*settings, command);
  if (!written.ok()) return Fail(written, 1);
  return Interrupted() ? 130 : 0;
}

}  // namespace

}  // namespace objmapper::bench

int main(int argc, char** argv) {
  objmapper::net::HoldStandardStreams();
  return objmapper::bench::Main(argc, argv);
}
