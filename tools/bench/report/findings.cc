#include "tools/bench/report/findings.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace objmapper::bench {

namespace {

constexpr double kTieWithin = 0.03;

// How many times worse, whichever way the measure points.
double FactorOf(const Loss& loss) {
  if (loss.ratio.median <= 0) return 1e9;
  return LessIsBetter(loss.measure) ? loss.ratio.median : 1 / loss.ratio.median;
}

template <typename Wanted>
const Series* BestAmong(const Cell& cell, Measure measure, Wanted wanted) {
  const Series* best = nullptr;
  double best_value = 0;
  for (const Series& series : cell.series) {
    if (!wanted(series)) continue;
    const auto spread = SpreadOver(measure, cell, series);
    if (!spread) continue;
    const bool better = LessIsBetter(measure) ? spread->median < best_value  //
                                              : spread->median > best_value;
    if (best == nullptr || better) {
      best = &series;
      best_value = spread->median;
    }
  }
  return best;
}

std::vector<Measure> MeasuresOf(const Cell& cell) {
  const Measure headline = HeadlineOf(cell);
  if (headline == Measure::kRssPerConnection) return {headline, Measure::kThreads};
  // Where the rate is given, all contenders have the same throughput.
  if (headline == Measure::kP99Us) return {headline, Measure::kServerCpuUs};
  return {headline, Measure::kP99Us, Measure::kServerCpuUs};
}

bool IsLatency(Measure measure) {
  return measure == Measure::kP50Us || measure == Measure::kP99Us || measure == Measure::kP999Us;
}

// Who leaves connections waiting for the whole of a run has latencies of the others alone: no
// comparison.
bool StarvesMore(const Cell& cell, const Series& series, const Series& own) {
  const auto theirs = SpreadOver(Measure::kStarved, cell, series);
  const auto ours = SpreadOver(Measure::kStarved, cell, own);
  return theirs && ours && theirs->median > ours->median;
}

template <typename Wanted>
std::vector<Loss> LossesAmong(const Report& report, const std::string& contender, Wanted wanted) {
  std::vector<Loss> losses;
  for (const Cell& cell : report.cells) {
    const Series* own = FindSeries(cell, contender);
    if (own == nullptr || own->samples.empty()) continue;
    for (const Measure measure : MeasuresOf(cell)) {
      const Series* best = BestAmong(cell, measure, [&](const Series& series) {
        return wanted(series) && &series != own &&
               !(IsLatency(measure) && StarvesMore(cell, series, *own));
      });
      if (best == nullptr) continue;
      const auto ratio = RatioOver(measure, cell, *own, *best);
      if (!ratio || Judge(*ratio, LessIsBetter(measure)) != Verdict::kWorse) continue;
      losses.push_back({.cell = &cell, .measure = measure, .winner = best, .ratio = *ratio});
    }
  }
  std::stable_sort(losses.begin(), losses.end(),
                   [](const Loss& a, const Loss& b) { return FactorOf(a) > FactorOf(b); });
  return losses;
}

}  // namespace

Verdict Judge(const Spread& ratio, bool less_is_better) {
  const bool above = ratio.median > 1 + kTieWithin && ratio.low > 1;
  const bool below = ratio.median < 1 - kTieWithin && ratio.high < 1;
  if (!above && !below) return Verdict::kTie;
  return above == less_is_better ? Verdict::kWorse : Verdict::kBetter;
}

const Series* BestOf(const Cell& cell, Measure measure, const Series* except) {
  return BestAmong(cell, measure, [except](const Series& series) {
    return series.kind != Kind::kFloor && &series != except;
  });
}

const Series* BestOfKind(const Cell& cell, Measure measure, Kind kind) {
  return BestAmong(cell, measure, [kind](const Series& s) { return s.kind == kind; });
}

std::vector<Loss> LossesOf(const Report& report, const std::string& contender) {
  return LossesAmong(report, contender, [](const Series& s) { return s.kind != Kind::kFloor; });
}

std::vector<Loss> LossesToFloors(const Report& report, const std::string& contender) {
  return LossesAmong(report, contender, [](const Series& s) { return s.kind == Kind::kFloor; });
}

std::string MachineText(const Machine& machine) {
  constexpr double kEqual = 0.9;
  const std::string speed =
      machine.slowest_core < kEqual
          ? absl::StrFormat(" (the slowest at %.2f of the fastest)", machine.slowest_core)
          : "";
  return absl::StrFormat("%s, %d cores%s, %.1f GiB", machine.cpu, machine.cores, speed,
                         static_cast<double>(machine.memory_bytes) / (1 << 30));
}

std::string RoundsText(const Report& report) {
  size_t most = 0;
  for (const Cell& cell : report.cells) {
    for (const Series& series : cell.series) most = std::max(most, series.samples.size());
  }
  std::string text = absl::StrFormat("%d of %g s", report.rounds, report.seconds_per_round);
  if (most > static_cast<size_t>(report.rounds)) {
    absl::StrAppend(&text, ", ", most, " where figures jump (below saturation, from the disk)");
  }
  return text;
}

std::string NotTheSame(const Report& report) {
  std::string text =
      "Not the same for all: mode_routing lets a Unix socket hold more of a large body than it "
      "comes with (--unix_send_buffer_bytes); floors and peers take sockets as they come.";
  if (absl::StrContains(report.machine.kernel, "TCP with bbr")) {
    text +=
        " Over TCP the peers have this system's congestion control, bbr, which paces what they "
        "send; mode_routing and the floors choose another (--tcp_local_congestion). Where the "
        "system has cubic, peers do better with large bodies: docs/tuning.md has figures.";
  }
  return text;
}

}  // namespace objmapper::bench
