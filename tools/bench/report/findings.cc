#include "tools/bench/report/findings.h"

#include <algorithm>
#include <map>

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
    const Series& own = FindSeries(cell, contender);
    if (own.samples.empty()) continue;
    for (const Measure measure : MeasuresOf(cell)) {
      const Series* best = BestAmong(cell, measure, [&](const Series& series) {
        return wanted(series) && &series != &own &&
               !(IsLatency(measure) && StarvesMore(cell, series, own));
      });
      if (best == nullptr) continue;
      const auto ratio = RatioOver(measure, cell, own, *best);
      if (!ratio || Judge(*ratio, LessIsBetter(measure)) != Verdict::kWorse) continue;
      losses.push_back({.cell = &cell, .measure = measure, .winner = best, .ratio = *ratio});
    }
  }
  std::stable_sort(losses.begin(), losses.end(),
                   [](const Loss& a, const Loss& b) { return FactorOf(a) > FactorOf(b); });
  return losses;
}

// ---- Warnings ----

constexpr double kBusy = 0.9;          // of the time of the threads or cores there are
constexpr double kNoisySpread = 0.2;   // quartiles' distance, of the median
constexpr double kNoisyOthers = 0.05;  // of all cores' time

void AddNoise(const Cell& cell, std::vector<std::string>& warnings) {
  const Measure headline = HeadlineOf(cell);
  for (const Series& series : cell.series) {
    const auto spread = SpreadOver(headline, cell, series);
    if (!spread || spread->median <= 0) continue;
    const double distance = (spread->high - spread->low) / spread->median;
    if (distance <= kNoisySpread) continue;
    warnings.push_back(
        absl::StrFormat("noisy: the quartiles of %s's %s lie %.0f %% of the median apart",
                        series.contender, NameOf(headline).phrase, distance * 100));
  }
}

void AddOthers(const std::vector<Surroundings>& surroundings, int cores,
               std::vector<std::string>& warnings) {
  double seconds = 0, others = 0, stolen = 0;
  for (const Surroundings& one : surroundings) {
    seconds += one.wall_s;
    others += one.others_cpu_s;
    stolen += one.stolen_s;
  }
  const double capacity = seconds * cores;
  if (capacity <= 0) return;
  if (others > kNoisyOthers * capacity) {
    warnings.push_back(absl::StrFormat("noisy: other processes took %.0f %% of the machine's cores",
                                       others / capacity * 100));
  }
  if (stolen > kNoisyOthers * capacity) {
    warnings.push_back(absl::StrFormat(
        "noisy: other virtual machines took %.0f %% of the cores' time", stolen / capacity * 100));
  }
}

void AddClientLimits(const std::vector<Surroundings>& surroundings, int client_threads, int cores,
                     std::vector<std::string>& warnings) {
  std::map<std::string, Surroundings> sums;
  for (const Surroundings& one : surroundings) {
    Surroundings& sum = sums[one.contender];
    sum.seconds += one.seconds;
    sum.client_cpu_s += one.client_cpu_s;
    sum.server_cpu_s += one.server_cpu_s;
    sum.polling = one.polling;
  }
  for (const auto& [contender, sum] : sums) {
    const double client = sum.client_cpu_s / (sum.seconds * client_threads);
    const double left = sum.seconds * std::max(1, cores - client_threads);
    if (sum.polling || !(client > kBusy) || sum.server_cpu_s > kBusy * left) continue;
    warnings.push_back(absl::StrFormat(
        "the client was the limit for %s: its threads were busy %.0f %% of the time, the server "
        "used %.2f cores; try --client_threads=%d",
        contender, client * 100, sum.server_cpu_s / sum.seconds, client_threads + 1));
  }
}

void AddFailures(const Cell& cell, std::vector<std::string>& warnings) {
  for (const Series& series : cell.series) {
    uint64_t errors = 0, behind = 0, requests = 0;
    std::string first;
    for (const Sample& sample : series.samples) {
      errors += sample.errors;
      if (first.empty()) first = sample.first_error;
      behind += sample.behind;
      requests += sample.requests;
    }
    if (errors > 0) {
      warnings.push_back(absl::StrCat(series.contender, " answered ", errors, " of ",
                                      requests + errors, " wrongly", first.empty() ? "" : ": ",
                                      first));
    }
    if (behind > 0) {
      warnings.push_back(absl::StrCat("the open loop fell behind for ", series.contender, ": ",
                                      behind, " requests were due but not answered at the end"));
    }
  }
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

std::vector<std::string> WarningsOf(const Cell& cell, const std::vector<Surroundings>& surroundings,
                                    int client_threads, int cores) {
  std::vector<std::string> warnings;
  AddFailures(cell, warnings);
  // Where memory is the question, the client's speed is none.
  if (HeadlineOf(cell) != Measure::kRssPerConnection)
    AddClientLimits(surroundings, client_threads, cores, warnings);
  AddNoise(cell, warnings);
  AddOthers(surroundings, cores, warnings);
  return warnings;
}

}  // namespace objmapper::bench
