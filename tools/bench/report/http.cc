// Whether our HTTP keeps up with other people's, and GET with COPY.

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/bench/report/findings.h"
#include "tools/bench/report/report.h"
#include "tools/bench/report/table.h"

namespace objmapper::bench {

namespace {

constexpr char kOurs[] = "mode_routing_http";
constexpr char kOursDeep[] = "mode_routing_http_16";
constexpr char kOwn[] = "mode_routing";  // the same server, asked in its own protocol

constexpr double kRateMin = 1;
constexpr double kCpuMax = 1;
constexpr double kIdleBytesMax = 2048;

// GET's CPU, of COPY's; nullopt: no bar for objects of that size.
absl::optional<double> CpuOfCopyMax(const std::string& size) {
  uint64_t kib = 0;
  if (size.size() < 2 || !absl::SimpleAtoi(size.substr(0, size.size() - 1), &kib))
    return absl::nullopt;
  if (size.back() == 'M') kib <<= 10;
  if (size.back() == 'G') kib <<= 20;
  if (kib <= 1) return 1.15;
  return kib >= 100 ? absl::make_optional(1.03) : absl::nullopt;
}

// What is kept of the bars, over the cells of one "ask".
struct Kept {
  int cells = 0, rate = 0, cpu = 0, both = 0;
  int copies = 0, copy = 0;
};

// Our ratio to the peer that is best by `measure`; counts nothing.
struct Against {
  const Series* peer = nullptr;
  absl::optional<Spread> ratio;
  std::string text() const {
    return ratio ? absl::StrCat(RatioFigure(ratio), " ", peer->contender) : "-";
  }
};
Against AgainstBest(const Cell& cell, const Series& ours, Measure measure) {
  Against against;
  against.peer = BestOfKind(cell, measure, Kind::kPeer);
  if (against.peer != nullptr) against.ratio = RatioOver(measure, cell, ours, *against.peer);
  return against;
}

// "GET unix 16 1K", and the depth where there is one.
std::string NameOf(const Cell& cell) {
  std::string name;
  for (const auto& [key, value] : cell.parameters)
    absl::StrAppend(&name, name.empty() ? "" : " ", key == "depth" ? "depth=" : "", value);
  return name;
}

// A row for a cell in which bytes or answers are counted.
std::vector<std::string> RowOf(const Cell& cell, Kept& kept) {
  const Series& ours = FindSeries(cell, kOurs);
  const auto rate = SpreadOver(Measure::kRequestsPerSecond, cell, ours);
  const auto cpu = SpreadOver(Measure::kServerCpuUs, cell, ours);
  if (!rate || !cpu) return {NameOf(cell), "-", "-", "-", "-"};

  const Against most = AgainstBest(cell, ours, Measure::kRequestsPerSecond);
  const Against cheapest = AgainstBest(cell, ours, Measure::kServerCpuUs);
  if (most.ratio && cheapest.ratio) {
    const bool fast = most.ratio->median >= kRateMin, cheap = cheapest.ratio->median <= kCpuMax;
    ++kept.cells;
    kept.rate += fast;
    kept.cpu += cheap;
    kept.both += fast && cheap;
  }
  const auto own = RatioOver(Measure::kServerCpuUs, cell, ours, FindSeries(cell, kOwn));
  const auto copy_max =
      ParameterOf(cell, "ask") == "GET" ? CpuOfCopyMax(ParameterOf(cell, "size")) : absl::nullopt;
  if (own && copy_max) {
    ++kept.copies;
    kept.copy += own->median <= *copy_max;
  }
  return {NameOf(cell), absl::StrFormat("%.1f k, %.1f µs", rate->median / 1000, cpu->median),
          most.text(), cheapest.text(), RatioFigure(own)};
}

std::string KeptText(const std::string& ask, const Kept& kept) {
  std::string text;
  if (kept.cells > 0) {
    absl::StrAppendFormat(&text,
                          "%s, of %d cells with a peer: at least the best peer's requests/s in %d, "
                          "at most the cheapest peer's CPU in %d, both in %d\n",
                          ask, kept.cells, kept.rate, kept.cpu, kept.both);
  }
  if (kept.copies > 0) {
    absl::StrAppendFormat(&text,
                          "%s, of %d cells of 1K and of 100K or more: CPU at most 1.15 and 1.03 of "
                          "COPY's in %d\n",
                          ask, kept.copies, kept.copy);
  }
  return text;
}

std::string PipelinedText(const Report& report) {
  std::string text;
  for (const Cell& cell : report.cells) {
    const Series& deep = FindSeries(cell, kOursDeep);
    if (cell.workload != "http" || deep.samples.empty()) continue;
    const Series& one = FindSeries(cell, kOurs);
    absl::StrAppend(&text, "16 deep against 1, ", ParameterOf(cell, "transport"), " ",
                    ParameterOf(cell, "conns"), " ", ParameterOf(cell, "size"), ": requests/s ",
                    RatioFigure(RatioOver(Measure::kRequestsPerSecond, cell, deep, one)), ", CPU ",
                    RatioFigure(RatioOver(Measure::kServerCpuUs, cell, deep, one)), "\n");
  }
  return text;
}

std::string IdleText(const Report& report) {
  std::string text;
  int cells = 0, small = 0;
  for (const Cell& cell : report.cells) {
    if (cell.workload != "http" || ParameterOf(cell, "ask") != "idle") continue;
    const auto each = SpreadOf(Measure::kRssPerConnection, cell, kOurs);
    if (!each) continue;
    ++cells;
    small += each->median <= kIdleBytesMax;
    absl::StrAppend(&text, "idle, ", ParameterOf(cell, "transport"), " ",
                    ParameterOf(cell, "conns"), ": ", Figure(each), " bytes each");
    const Series* const best = BestOfKind(cell, Measure::kRssPerConnection, Kind::kPeer);
    if (best != nullptr) {
      absl::StrAppend(&text, "; ", best->contender, " ",
                      Figure(SpreadOver(Measure::kRssPerConnection, cell, *best)));
    }
    absl::StrAppend(&text, "\n");
  }
  if (cells > 0) {
    absl::StrAppendFormat(&text, "idle, of %d cells: at most %.0f bytes each in %d\n", cells,
                          kIdleBytesMax, small);
  }
  return text;
}

}  // namespace

std::string HttpText(const Report& report) {
  Rows rows = {
      {"cell", kOurs, "/ best peer, req/s", "/ cheapest peer, CPU", "/ own protocol, CPU"}};
  std::vector<std::pair<std::string, Kept>> kept;  // by "ask", in the order of cells
  for (const Cell& cell : report.cells) {
    const std::string ask = ParameterOf(cell, "ask");
    if (cell.workload != "http" || ask == "idle" || !ParameterOf(cell, "by").empty() ||
        !FindSeries(cell, kOursDeep).samples.empty()) {
      continue;
    }
    if (kept.empty() || kept.back().first != ask) kept.emplace_back(ask, Kept());
    rows.push_back(RowOf(cell, kept.back().second));
  }
  std::string text;
  if (rows.size() > 1) {
    text = absl::StrCat(
        "HTTP: k requests/s and server CPU per request; ratios round by round, medians "
        "(quartiles):\n",
        TextTable(rows));
  }
  absl::StrAppend(&text, PipelinedText(report), IdleText(report));
  for (const auto& [ask, count] : kept) absl::StrAppend(&text, KeptText(ask, count));
  return text.empty() ? "" : absl::StrCat(text, NotTheSame(report), "\n");
}

}  // namespace objmapper::bench
