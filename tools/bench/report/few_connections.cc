// Whether the server keeps up with bare loops where connections are few.
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/bench/report/findings.h"
#include "tools/bench/report/report.h"
#include "tools/bench/report/table.h"

namespace objmapper::bench {

namespace {

constexpr double kThroughputMin = 0.95;
constexpr double kCpuMax = 1.10;

struct Kept {
  int cells = 0, throughput = 0, cpu = 0, both = 0;
};

// "54.2 k, 9.8 µs"
std::string FiguresOf(const Cell& cell, const Series& series) {
  const auto rate = SpreadOver(Measure::kRequestsPerSecond, cell, series);
  const auto cpu = SpreadOver(Measure::kServerCpuUs, cell, series);
  if (!rate || !cpu) return "-";
  return absl::StrFormat("%.1f k, %.1f µs", rate->median / 1000, cpu->median);
}

// "0.97 (0.94), CPU 1.05"; counts what it keeps.
std::string RatiosOf(const Cell& cell, const Series& model, const Series& floor, Kept& kept) {
  const auto rate = RatioOver(Measure::kRequestsPerSecond, cell, model, floor);
  const auto cpu = RatioOver(Measure::kServerCpuUs, cell, model, floor);
  if (!rate || !cpu) return "-";
  const bool fast = rate->median >= kThroughputMin, cheap = cpu->median <= kCpuMax;
  ++kept.cells;
  kept.throughput += fast;
  kept.cpu += cheap;
  kept.both += fast && cheap;
  return absl::StrFormat("%.2f (%.2f), CPU %.2f", rate->median, rate->low, cpu->median);
}

}  // namespace

std::string FewConnectionsText(const Report& report) {
  std::map<std::string, Kept> kept;  // by model
  Rows rows;
  for (const Cell& cell : report.cells) {
    if (cell.workload != "few_connections") continue;
    const Series* const floor = BestOfKind(cell, Measure::kRequestsPerSecond, Kind::kFloor);
    std::vector<std::string> head = {"threads x conns"};
    std::vector<std::string> row = {
        absl::StrCat(ParameterOf(cell, "client threads"), " x ", ParameterOf(cell, "conns"))};
    for (const Series& series : cell.series) {
      head.push_back(series.contender);
      row.push_back(FiguresOf(cell, series));
      if (series.kind != Kind::kModel || floor == nullptr) continue;
      head.push_back("/ better floor");
      row.push_back(RatiosOf(cell, series, *floor, kept[series.contender]));
    }
    if (rows.empty()) rows.push_back(std::move(head));
    row.resize(rows[0].size(), "-");
    rows.push_back(std::move(row));
  }
  if (rows.empty()) return "";
  std::string text = absl::StrCat(
      "V1, one request outstanding per connection: k requests/s, server CPU per request; ratios to "
      "the floor that\nanswers more there, medians of the rounds (lower quartile):\n",
      TextTable(rows));
  for (const auto& [model, count] : kept) {
    absl::StrAppendFormat(
        &text,
        "%s, of %d cells: throughput at least %.2f in %d, CPU at most %.2f in %d, both in %d\n",
        model, count.cells, kThroughputMin, count.throughput, kCpuMax, count.cpu, count.both);
  }
  return text;
}

}  // namespace objmapper::bench
