#include "tools/bench/report/columns.h"

#include "absl/strings/str_cat.h"
#include "tools/bench/report/figure.h"
#include "tools/bench/report/measure.h"

namespace objmapper::bench {

namespace {

struct Column {
  const char* head;
  Measure measure;
};

constexpr Column kColumns[] = {
    {"req/s", Measure::kRequestsPerSecond},
    {"GB/s", Measure::kGbPerSecond},
    {"p50 µs", Measure::kP50Us},
    {"p99 µs", Measure::kP99Us},
    {"p999 µs", Measure::kP999Us},
    {"CPU µs/req", Measure::kServerCpuUs},
    {"CPU s/GB", Measure::kServerCpuPerGb},
    {"client µs/req", Measure::kClientCpuUs},
    {"RSS MiB", Measure::kRssMib},
    {"RSS B/conn", Measure::kRssPerConnection},
    {"threads", Measure::kThreads},
    {"starved", Measure::kStarved},
};

bool Tells(const Column& column, const Cell& cell) {
  for (const Series& series : cell.series) {
    const auto spread = SpreadOver(column.measure, cell, series);
    // Connections without an answer are seldom: a column of zeros would say nothing.
    if (spread && (column.measure != Measure::kStarved || spread->high > 0)) return true;
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
  std::vector<Column> columns;
  for (const Column& column : kColumns) {
    if (!Tells(column, cell)) continue;
    columns.push_back(column);
    rows[0].push_back(column.head);
    if (column.measure == headline) rows[0].push_back("spread");
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
    for (const Column& column : columns) {
      const auto spread = SpreadOver(column.measure, cell, series);
      row.push_back(Figure(spread));
      if (column.measure == headline) row.push_back(SpreadFigure(spread));
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

}  // namespace objmapper::bench
