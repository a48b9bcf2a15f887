// Whether other load generators find what ours finds.
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/bench/report/report.h"
#include "tools/bench/report/table.h"

namespace objmapper::bench {

namespace {

constexpr char kOurs[] = "mode_routing_http";
constexpr char kOwn[] = "own";
constexpr double kWithin = 0.10;

constexpr Measure kMeasures[] = {Measure::kRequestsPerSecond, Measure::kServerCpuUs};

// One question, by whom it was asked.
struct Checked {
  std::string title;
  std::vector<std::pair<std::string, const Cell*>> by;
};

// In the order of the report.
std::vector<Checked> CheckedOf(const Report& report) {
  std::vector<Checked> all;
  for (const Cell& cell : report.cells) {
    const std::string by = ParameterOf(cell, "by");
    if (cell.workload != "http" || by.empty()) continue;
    std::string title;
    for (const auto& [key, value] : cell.parameters) {
      if (key != "by") absl::StrAppend(&title, title.empty() ? "" : " ", value);
    }
    if (all.empty() || all.back().title != title) all.push_back({title, {}});
    all.back().by.emplace_back(by, &cell);
  }
  return all;
}

const Cell* CellBy(const Checked& checked, const std::string& by) {
  for (const auto& [name, cell] : checked.by) {
    if (name == by) return cell;
  }
  return nullptr;
}

// Ours over a peer's. nullopt: it was not measured.
absl::optional<double> RatioIn(const Cell* cell, const std::string& peer, Measure measure) {
  if (cell == nullptr) return absl::nullopt;
  const auto ratio = RatioOver(measure, *cell, FindSeries(*cell, kOurs), FindSeries(*cell, peer));
  return ratio ? absl::make_optional(ratio->median) : absl::nullopt;
}

struct Agreement {
  int ratios = 0, same = 0;
};

}  // namespace

std::string CrossCheckText(const Report& report) {
  std::map<std::pair<std::string, Measure>, Agreement> agreements;
  Rows rows;
  for (const Checked& checked : CheckedOf(report)) {
    const Cell* const own = CellBy(checked, kOwn);
    if (own == nullptr) continue;
    for (const Series& series : own->series) {
      if (series.kind != Kind::kPeer || series.samples.empty()) continue;
      std::vector<std::string> head = {"cell"};
      std::vector<std::string> row = {absl::StrCat(checked.title, ": / ", series.contender)};
      for (const Measure measure : kMeasures) {
        const auto ours = RatioIn(own, series.contender, measure);
        for (const auto& [by, cell] : checked.by) {
          const auto theirs = RatioIn(cell, series.contender, measure);
          head.push_back(absl::StrCat(NameOf(measure).head, ", ", by));
          row.push_back(theirs ? absl::StrFormat("%.2f", *theirs) : "-");
          if (by == kOwn || !ours || !theirs) continue;
          const bool same = std::fabs(*theirs / *ours - 1) <= kWithin;
          if (!same) row.back() += " (!)";
          Agreement& agreement = agreements[{by, measure}];
          ++agreement.ratios;
          agreement.same += same;
        }
      }
      if (rows.empty()) rows.push_back(std::move(head));
      row.resize(rows[0].size(), "-");
      rows.push_back(std::move(row));
    }
  }
  if (rows.empty()) return "";
  std::string text = absl::StrCat(
      "Ours over a peer's, by this load generator and by others; (!) more than 10 % apart:\n",
      TextTable(rows));
  for (const auto& [key, agreement] : agreements) {
    absl::StrAppendFormat(&text, "%s, of %d ratios of %s: %d within 10 %% of our generator's\n",
                          key.first, agreement.ratios, NameOf(key.second).phrase, agreement.same);
  }
  return text;
}

}  // namespace objmapper::bench
