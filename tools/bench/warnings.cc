#include "tools/bench/warnings.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/bench/report/measure.h"

namespace objmapper::bench {

namespace {

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
