#include "tools/bench/report/docs.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/bench/report/columns.h"
#include "tools/bench/report/docs_beliefs.h"
#include "tools/bench/report/figure.h"
#include "tools/bench/report/findings.h"
#include "tools/bench/report/loss_rows.h"
#include "tools/bench/report/markdown.h"
#include "tools/bench/report/measure.h"
#include "tools/bench/report/subject.h"

namespace objmapper::bench {

namespace {

constexpr const char* kCompared[] = {"thread_per_request", "thread_pool", "mode_routing"};

std::string Head(const Report& report) {
  return absl::StrFormat(
      "# Benchmarks\n\nWritten by `tools/bench report` from what it measured; not by hand.\n\n"
      "| | |\n|---|---|\n| measured | %s |\n| version | %s |\n| machine | %s |\n"
      "| system | %s, %s |\n| rounds | %s; longer where all connections together ask for more than "
      "that moves; each contender in turn |\n\n"
      "```\n%s\n```\n\n"
      "All contenders of a cell run at once, in processes of their own, and are asked in turn by "
      "the same "
      "load generator on the same machine. Where it has one thread, it keeps to one core in a "
      "round, and to "
      "another in the next: cores of shared machines are not equally fast. A figure is the median "
      "of the rounds; a ratio is taken "
      "round by round, with its quartiles in brackets. A *floor* is a bare loop that does the "
      "least the kernel allows. CPU is the server's. %s\n",
      report.date, report.version.empty() ? "unknown" : report.version, MachineText(report.machine),
      report.machine.os, report.machine.kernel, RoundsText(report), report.command,
      NotTheSame(report));
}

const Cell* FindCell(const Report& report, const std::string& workload, const std::string& conns) {
  for (const Cell& cell : report.cells) {
    if (cell.workload == workload && ParameterOf(cell, "conns") == conns) return &cell;
  }
  return nullptr;
}

// One figure of one contender of one cell; "-" when it is missing.
std::string FigureOf(const Cell* cell, const std::string& contender, Measure measure) {
  const Series* series = cell == nullptr ? nullptr : FindSeries(*cell, contender);
  return series == nullptr ? "-" : Figure(SpreadOver(measure, *cell, *series));
}

// Work time over total time: what the bare floor spends on a request, over what the contender does.
std::string EfficiencyOf(const Cell* cell, const std::string& contender) {
  if (cell == nullptr) return "-";
  const Series* series = FindSeries(*cell, contender);
  const Series* floor = BestOfKind(*cell, Measure::kServerCpuUs, Kind::kFloor);
  if (series == nullptr || floor == nullptr) return "-";
  const auto ratio = RatioOver(Measure::kServerCpuUs, *cell, *floor, *series);
  return ratio ? absl::StrFormat("%.0f %%", ratio->median * 100) : "-";
}

std::string PerCore(const Report& report, const Cell* cell, const std::string& contender) {
  const Series* series = cell == nullptr ? nullptr : FindSeries(*cell, contender);
  if (series == nullptr || report.machine.cores < 1) return "-";
  const auto spread = SpreadOver(Measure::kRequestsPerSecond, *cell, *series);
  return spread ? Figure(spread->median / report.machine.cores) : "-";
}

std::string SuccessTable(const Report& report) {
  std::vector<std::vector<std::string>> rows = {{"FDPASS"}};
  for (const char* name : kCompared) rows[0].push_back(name);
  const auto row = [&](const std::string& name, auto figure) {
    rows.push_back({name});
    for (const char* contender : kCompared) rows.back().push_back(figure(contender));
  };
  for (const char* conns : {"100", "1000"}) {
    const Cell* const cell = FindCell(report, "throughput", conns);
    const std::string at = absl::StrCat(" at ", conns, " connections");
    row("p50, µs," + at, [&](const char* c) { return FigureOf(cell, c, Measure::kP50Us); });
    row("p99, µs," + at, [&](const char* c) { return FigureOf(cell, c, Measure::kP99Us); });
    row("connections without any answer" + at,
        [&](const char* c) { return FigureOf(cell, c, Measure::kStarved); });
    row("requests/s per core" + at, [&](const char* c) { return PerCore(report, cell, c); });
    row("memory (RSS), MiB," + at,
        [&](const char* c) { return FigureOf(cell, c, Measure::kRssMib); });
    row("efficiency" + at, [&](const char* c) { return EfficiencyOf(cell, c); });
  }
  return absl::StrCat(
      "\n## The models side by side\n\n", MarkdownTable(rows),
      "\nA saturated closed loop; client and server share the cores, and per core means per core "
      "of the "
      "machine. Efficiency is work time over total time: the CPU that the bare floor spends on a "
      "request, over what the model spends. Latencies are of answered requests only: short ones "
      "mean little beside "
      "connections without any answer.\n");
}

// The cells of a scenario, each with its table and notes.
std::string Scenario(const Report& report, const std::string& title,
                     const std::vector<std::string>& workloads) {
  std::string text = absl::StrCat("\n## ", title, "\n");
  bool any = false;
  for (const Cell& cell : report.cells) {
    if (std::find(workloads.begin(), workloads.end(), cell.workload) == workloads.end()) continue;
    any = true;
    absl::StrAppend(&text, "\n### ", TitleOf(cell), "\n\n", MarkdownTable(RowsOf(cell)), "\n",
                    MarkdownList(NotesOf(cell)));
  }
  if (!any) absl::StrAppend(&text, "\nNot in this run.\n");
  return text;
}

std::string WhereWeLose(const Report& report) {
  const std::vector<Loss> losses = LossesOf(report, kSubject);
  std::string text = "\n## Where we lose\n\n";
  if (losses.empty()) {
    return absl::StrCat(
        text, "In no cell of this run did another model or a peer do clearly better than ",
        kSubject, " in throughput, p99 or server CPU.\n");
  }
  return absl::StrCat(
      text, losses.size(), " figures in which another model or a peer did clearly better than ",
      kSubject,
      ", the worst first. The latencies of one that left more connections without any "
      "answer do not count.\n\n",
      MarkdownTable(LossRows(losses, kSubject)));
}

}  // namespace

std::string DocsOf(const Report& report) {
  return absl::StrCat(
      Head(report), SuccessTable(report), WhereWeLose(report), Beliefs(report),
      Scenario(report, "Few connections", {"fdpass"}),
      Scenario(report, "A thousand connections and more", {"throughput", "scalability"}),
      Scenario(report, "COPY and SPLICE by size", {"copy", "splice"}),
      Scenario(report, "Mixed, 80 % FDPASS", {"mixed"}),
      Scenario(report, "Latency below saturation", {"latency"}),
      Scenario(report, "Pipelined", {"pipeline"}), Scenario(report, "From the disk", {"cold"}),
      Scenario(report, "Idle connections", {"idle"}), Scenario(report, "Storing", {"put"}));
}

}  // namespace objmapper::bench
