// Figures against bars, as lines and as a table.
#include "tools/bench/origin/figures.h"

#include <stdio.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/bench/report/report.h"
#include "tools/bench/report/table.h"

namespace objmapper::bench {
namespace {

std::string TitleOf(const Line& line) {
  return absl::StrCat(line.ask, ", ", line.origin, ": ", line.what);
}

bool Holds(const Bar& bar, double value) {
  return bar.kind == Bar::Kind::kAtMost ? value <= bar.limit : value >= bar.limit;
}

// As in the table's head: title, median, quartiles, bar, held.
std::vector<std::string> RowOf(const Line& line) {
  const Spread spread = SpreadOf(line.values);
  std::vector<std::string> row = {TitleOf(line), Figure(spread.median), "", "", ""};
  if (line.values.size() > 1)
    row[2] =
        absl::StrCat(Figure(spread.low), "–", Figure(spread.high), " (", line.values.size(), ")");
  if (line.bar.kind == Bar::Kind::kNone) return row;
  row[3] = absl::StrCat(line.bar.kind == Bar::Kind::kAtMost ? "at most " : "at least ",
                        Figure(line.bar.limit));
  row[4] = Holds(line.bar, spread.median) ? "yes" : "no";
  return row;
}

}  // namespace

std::vector<double> Ratios(const std::vector<double>& ours, const std::vector<double>& others) {
  std::vector<double> ratios;
  for (size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / others[i]);
  return ratios;
}

void Figures::Add(Line line) {
  const std::vector<std::string> row = RowOf(line);
  printf("%s: %s", row[0].c_str(), row[1].c_str());
  if (!row[2].empty()) printf(", quartiles %s", row[2].c_str());
  if (!row[3].empty()) printf("; bar %s: %s", row[3].c_str(), row[4].c_str());
  printf("\n");
  fflush(stdout);
  lines_.push_back(std::move(line));
}

void Figures::LeaveOut(absl::string_view ask, absl::string_view origin, absl::string_view who,
                       absl::string_view why) {
  left_out_.push_back(absl::StrCat(ask, ", ", origin, ": ", who, " is left out: ", why));
  printf("%s\n", left_out_.back().c_str());
  fflush(stdout);
}

std::string Figures::Table() const {
  Rows rows = {{"origin", "median", "quartiles (rounds)", "bar", "held"}};
  int bars = 0, held = 0;
  for (const Line& line : lines_) {
    rows.push_back(RowOf(line));
    if (line.bar.kind == Bar::Kind::kNone) continue;
    ++bars;
    if (rows.back()[4] == "yes") ++held;
  }
  std::string text = absl::StrCat(TextTable(rows), held, " of ", bars, " bars are held.\n");
  for (const std::string& one : left_out_) absl::StrAppend(&text, one, "\n");
  return text;
}

}  // namespace objmapper::bench
