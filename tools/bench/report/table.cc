// Figures, the rows of tables, and the table of a terminal.
#include "tools/bench/report/table.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {

namespace {

std::string WithCommas(double value) {
  const std::string digits = absl::StrFormat("%.0f", value);
  std::string text;
  for (size_t at = 0; at < digits.size(); ++at) {
    const size_t left = digits.size() - at;
    if (at > 0 && left % 3 == 0 && digits[at - 1] != '-') text += ',';
    text += digits[at];
  }
  return text;
}

bool Tells(Measure measure, const Cell& cell) {
  for (const Series& series : cell.series) {
    const auto spread = SpreadOver(measure, cell, series);
    // Connections without an answer are seldom: a column of zeros would say nothing.
    if (spread && (measure != Measure::kStarved || spread->high > 0)) return true;
  }
  return false;
}

uint64_t ErrorsOf(const Series& series) {
  uint64_t errors = 0;
  for (const Sample& sample : series.samples) errors += sample.errors;
  return errors;
}

// Characters, not bytes: "µ" and "–" are two and three bytes of UTF-8 and take one place.
size_t PlacesOf(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

std::string Figure(double value) {
  const double size = std::fabs(value);
  if (size >= 100) return WithCommas(value);
  if (size >= 10) return absl::StrFormat("%.1f", value);
  if (size >= 1) return absl::StrFormat("%.2f", value);
  if (size == 0) return "0";
  return absl::StrFormat("%.3g", value);
}

std::string Figure(const absl::optional<Spread>& spread) {
  return spread ? Figure(spread->median) : "-";
}

std::string RatioFigure(const absl::optional<Spread>& ratio) {
  if (!ratio) return "-";
  return absl::StrFormat("%.2f (%.2f–%.2f)", ratio->median, ratio->low, ratio->high);
}

std::string SpreadFigure(const absl::optional<Spread>& spread) {
  if (!spread || spread->median == 0) return "";
  return absl::StrFormat("±%.0f %%", (spread->high - spread->low) / 2 / spread->median * 100);
}

Rows RowsOf(const Cell& cell) {
  const Series& base = FindSeries(cell, cell.baseline);
  const bool compared = !base.samples.empty();
  const Measure headline = HeadlineOf(cell);

  Rows rows(1);
  rows[0] = {"contender"};
  std::vector<Measure> columns;
  for (const Measure measure : AllMeasures()) {
    if (!Tells(measure, cell)) continue;
    columns.push_back(measure);
    rows[0].push_back(NameOf(measure).head);
    if (measure == headline) rows[0].push_back("spread");
  }
  rows[0].push_back("errors");
  if (compared) {
    rows[0].push_back(headline == Measure::kP99Us              ? "× base p99"
                      : headline == Measure::kRssPerConnection ? "× base RSS"
                                                               : "× base req/s");
    rows[0].push_back("× base CPU");
  }
  for (const Series& series : cell.series) {
    if (series.samples.empty()) continue;
    std::vector<std::string> row = {series.contender};
    for (const Measure measure : columns) {
      const auto spread = SpreadOver(measure, cell, series);
      row.push_back(Figure(spread));
      if (measure == headline) row.push_back(SpreadFigure(spread));
    }
    row.push_back(absl::StrCat(ErrorsOf(series)));
    if (&base == &series) {
      row.insert(row.end(), {"baseline", "baseline"});
    } else if (compared) {
      row.push_back(RatioFigure(RatioOver(headline, cell, series, base)));
      row.push_back(RatioFigure(RatioOver(Measure::kServerCpuUs, cell, series, base)));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<std::string> NotesOf(const Cell& cell) {
  std::vector<std::string> notes;
  for (const Series& series : cell.series) {
    if (series.samples.empty()) {
      notes.push_back(absl::StrCat(series.contender, " is missing: ", series.missing));
    }
  }
  for (const std::string& warning : cell.warnings) {
    notes.push_back(absl::StrCat("warning: ", warning));
  }
  return notes;
}

Rows LossRows(const std::vector<Loss>& losses, const std::string& subject) {
  Rows rows = {
      {"cell", "measure", subject, "beaten by", "its figure", "ratio", "its req/s / ours"}};
  for (const Loss& loss : losses) {
    const Series& own = FindSeries(*loss.cell, subject);
    rows.push_back(
        {TitleOf(*loss.cell), NameOf(loss.measure).phrase,
         Figure(SpreadOver(loss.measure, *loss.cell, own)), loss.winner->contender,
         Figure(SpreadOver(loss.measure, *loss.cell, *loss.winner)), RatioFigure(loss.ratio),
         // A short latency of few answers is no great win: both are shown.
         RatioFigure(RatioOver(Measure::kRequestsPerSecond, *loss.cell, *loss.winner, own))});
  }
  return rows;
}

std::string TextTable(const Rows& rows) {
  std::vector<size_t> widths(rows[0].size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], PlacesOf(row[i]));
  }
  std::string table;
  for (const auto& row : rows) {
    absl::StrAppend(&table, " ");
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - PlacesOf(row[i]), ' ');
      absl::StrAppend(&table, " ", i == 0 ? row[i] : blanks, i == 0 ? blanks : row[i],
                      i + 1 < row.size() ? " " : "\n");
    }
  }
  return table;
}

std::string CellTable(const Cell& cell) {
  const Rows rows = RowsOf(cell);
  std::string table = absl::StrCat(TitleOf(cell), "\n");
  if (rows.size() > 1) absl::StrAppend(&table, TextTable(rows));
  for (const std::string& note : NotesOf(cell)) absl::StrAppend(&table, "  ", note, "\n");
  return table;
}

}  // namespace objmapper::bench
