// The rows of tables.
#include "tools/bench/report/columns.h"

#include "absl/strings/str_cat.h"
#include "tools/bench/report/figure.h"
#include "tools/bench/report/measure.h"

namespace objmapper::bench {

namespace {

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

}  // namespace

std::vector<std::vector<std::string>> RowsOf(const Cell& cell) {
  const Series* base = FindSeries(cell, cell.baseline);
  if (base != nullptr && base->samples.empty()) base = nullptr;
  const Measure headline = HeadlineOf(cell);

  std::vector<std::vector<std::string>> rows(1);
  rows[0] = {"contender"};
  std::vector<Measure> columns;
  for (const Measure measure : AllMeasures()) {
    if (!Tells(measure, cell)) continue;
    columns.push_back(measure);
    rows[0].push_back(NameOf(measure).head);
    if (measure == headline) rows[0].push_back("spread");
  }
  rows[0].push_back("errors");
  if (base != nullptr) {
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
    if (base == &series) {
      row.insert(row.end(), {"baseline", "baseline"});
    } else if (base != nullptr) {
      row.push_back(RatioFigure(RatioOver(headline, cell, series, *base)));
      row.push_back(RatioFigure(RatioOver(Measure::kServerCpuUs, cell, series, *base)));
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

std::vector<std::vector<std::string>> LossRows(const std::vector<Loss>& losses,
                                               const std::string& subject) {
  std::vector<std::vector<std::string>> rows = {
      {"cell", "measure", subject, "beaten by", "its figure", "ratio", "its req/s / ours"}};
  for (const Loss& loss : losses) {
    const Series* own = FindSeries(*loss.cell, subject);
    rows.push_back(
        {TitleOf(*loss.cell), NameOf(loss.measure).phrase,
         Figure(SpreadOver(loss.measure, *loss.cell, *own)), loss.winner->contender,
         Figure(SpreadOver(loss.measure, *loss.cell, *loss.winner)), RatioFigure(loss.ratio),
         // A short latency of few answers is no great win: both are shown.
         RatioFigure(RatioOver(Measure::kRequestsPerSecond, *loss.cell, *loss.winner, *own))});
  }
  return rows;
}

}  // namespace objmapper::bench
