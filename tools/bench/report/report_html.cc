// The report as a page: a summary, charts, tables.
#include <array>
#include <nlohmann/json.hpp>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "tools/bench/report/findings.h"
#include "tools/bench/report/report.h"
#include "tools/bench/report/table.h"

namespace objmapper::bench {

namespace {

// page.css and page.js; the build turns each into a string literal.
constexpr char kCss[] =
#include "tools/bench/report/page.css.inc"
    ;
constexpr char kJs[] =
#include "tools/bench/report/page.js.inc"
    ;

constexpr char kHowToRead[] =
    "All contenders of a cell run at once, each in processes of its own, and are asked in turn, in "
    "rounds; the order changes from round to round. A figure is the median of the rounds, its "
    "whisker the quartiles. A ratio is taken round by round. Floors (grey) are bare loops that do "
    "the least the kernel allows; no server can be expected to beat them.";

// Pieces of HTML. Whatever comes in is text: it is escaped here and nowhere else.
std::string EscapeHtml(const std::string& text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::string Element(const std::string& tag, const std::string& text) {
  return absl::StrCat("<", tag, ">", EscapeHtml(text), "</", tag, ">");
}

// A list; empty for no items.
std::string HtmlList(const std::vector<std::string>& items) {
  if (items.empty()) return "";
  std::string html = "<ul>";
  for (const std::string& item : items) absl::StrAppend(&html, Element("li", item));
  return absl::StrCat(html, "</ul>\n");
}

// A table that scrolls sideways on a narrow screen. The first row is the head, the first column the
// row's name.
std::string HtmlTable(const Rows& rows) {
  std::string html = "<div class=\"scroll\"><table>";
  for (size_t row = 0; row < rows.size(); ++row) {
    absl::StrAppend(&html, "<tr>");
    for (size_t column = 0; column < rows[row].size(); ++column) {
      absl::StrAppend(&html, Element(row == 0 || column == 0 ? "th" : "td", rows[row][column]));
    }
    absl::StrAppend(&html, "</tr>\n");
  }
  return absl::StrCat(html, "</table></div>\n");
}

// A part that opens when its title is touched.
std::string HtmlDetails(const std::string& title, const std::string& html) {
  return absl::StrCat("<details>", Element("summary", title), "\n", html, "</details>\n");
}

// A script ends at "</script", whatever the language says of strings.
std::string InlineScript(const std::string& script) {
  return absl::StrReplaceAll(script, {{"</script", "<\\/script"}});
}

std::string Head(const Report& report) {
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>objmapper benchmarks, ",
      EscapeHtml(report.date), "</title>\n<style>\n", kCss, "</style></head>\n<body><main>\n");
}

std::string About(const Report& report) {
  const Machine& machine = report.machine;
  std::string html = absl::StrCat("<header>", Element("h1", "objmapper benchmarks"));
  absl::StrAppend(&html, "<p class=\"meta\">",
                  EscapeHtml(absl::StrFormat(
                      "%s · %srounds: %s · %s · %s · %s", report.date,
                      report.version.empty() ? "" : absl::StrCat(report.version, " · "),
                      RoundsText(report), MachineText(machine), machine.os, machine.kernel)),
                  "</p>\n<pre>", EscapeHtml(report.command), "</pre></header>\n");
  return html;
}

using Tally = std::array<int, 3>;  // cells by Verdict
constexpr const char* kVerdicts[] = {"wins", "tie", "loses"};

// A row for each cell; counts the subject's fate by the cell's headline measure.
Rows WinnerRows(const Report& report, Tally& tally) {
  Rows rows = {{"cell", "measure", "best of models and peers", "its figure",
                absl::StrCat(kSubject, " / best other"), "verdict",
                absl::StrCat(kSubject, " / best floor")}};
  for (const Cell& cell : report.cells) {
    const Measure measure = HeadlineOf(cell);
    const Series* best = BestOf(cell, measure);
    if (best == nullptr) continue;
    const Series& own = FindSeries(cell, kSubject);
    const Series* other = BestOf(cell, measure, &own);
    const Series* floor = BestOfKind(cell, measure, Kind::kFloor);
    absl::optional<Spread> ratio, to_floor;
    if (other != nullptr) ratio = RatioOver(measure, cell, own, *other);
    if (floor != nullptr) to_floor = RatioOver(measure, cell, own, *floor);
    std::string verdict = "-";
    if (ratio) {
      const auto judged = static_cast<size_t>(Judge(*ratio, LessIsBetter(measure)));
      verdict = kVerdicts[judged];
      ++tally[judged];
    }
    rows.push_back({TitleOf(cell), NameOf(measure).phrase, best->contender,
                    Figure(SpreadOver(measure, cell, *best)), RatioFigure(ratio), verdict,
                    RatioFigure(to_floor)});
  }
  return rows;
}

std::string Card(const std::string& kind, int count, const std::string& text) {
  return absl::StrCat("<div class=\"card ", kind, "\"><b>", count, "</b><span>", EscapeHtml(text),
                      "</span></div>");
}

// The top of the page: who wins each cell, and where the subject loses.
std::string Summary(const Report& report) {
  Tally tally{};
  const Rows winners = WinnerRows(report, tally);
  const std::vector<Loss> losses = LossesOf(report, kSubject);
  const std::vector<Loss> floors = LossesToFloors(report, kSubject);

  std::string html = Element("h2", "In short");
  absl::StrAppend(&html, "<div class=\"cards\">",
                  Card("good", tally[0],
                       absl::StrCat("cells in which ", kSubject, " beats every model and peer")),
                  Card("even", tally[1], "cells in which it ties with the best other"),
                  Card("bad", tally[2], "cells in which another is better"),
                  Card("bad", static_cast<int>(losses.size()),
                       "losses when p99 and server CPU are counted too"),
                  "</div>\n");
  absl::StrAppend(&html, HtmlDetails("Who wins each cell", HtmlTable(winners)),
                  Element("p", NotTheSame(report)));

  absl::StrAppend(&html, "<section class=\"lose\">", Element("h2", "Where we lose"));
  if (losses.empty()) {
    absl::StrAppend(
        &html,
        Element("p",
                absl::StrCat(
                    "In none of these cells did another model or a peer do clearly better than ",
                    kSubject, " in throughput, p99 or server CPU.")));
  } else {
    absl::StrAppend(
        &html,
        Element("p",
                "Another model or peer was better in these, the worst first. A ratio is the "
                "median of the rounds' ratios, with its quartiles. The latencies of one that "
                "left more connections without any answer do not count."),
        HtmlTable(LossRows(losses, kSubject)));
  }
  if (!floors.empty()) {
    absl::StrAppend(&html, HtmlDetails(absl::StrCat("What being a server costs: ", floors.size(),
                                                    " figures behind the bare loops"),
                                       HtmlTable(LossRows(floors, kSubject))));
  }
  return absl::StrCat(html, "</section>\n");
}

// Warnings of all cells, each with its cell.
std::string Warnings(const Report& report) {
  std::vector<std::string> warnings;
  for (const Cell& cell : report.cells) {
    for (const std::string& warning : cell.warnings) {
      warnings.push_back(absl::StrCat(TitleOf(cell), ": ", warning));
    }
  }
  if (warnings.empty()) return "";
  return HtmlDetails(absl::StrCat(warnings.size(), " warnings: read these before you trust a cell"),
                     HtmlList(warnings));
}

// Each workload: a place for its charts, then its tables.
std::string Workloads(const Report& report) {
  std::string html;
  for (size_t i = 0; i < report.cells.size();) {
    const std::string& workload = report.cells[i].workload;
    std::string tables;
    for (; i < report.cells.size() && report.cells[i].workload == workload; ++i) {
      const Cell& cell = report.cells[i];
      absl::StrAppend(&tables, Element("h4", TitleOf(cell)), HtmlTable(RowsOf(cell)),
                      HtmlList(NotesOf(cell)));
    }
    absl::StrAppend(&html, "<section>", Element("h2", workload),
                    "<div class=\"charts\" data-workload=\"", EscapeHtml(workload), "\"></div>\n",
                    HtmlDetails("Tables", tables), "</section>\n");
  }
  return html;
}

// What was run, each command line once.
std::string Commands(const Report& report) {
  std::vector<std::string> lines;
  for (const Cell& cell : report.cells) {
    for (const Series& series : cell.series) {
      if (series.command.empty()) continue;
      std::string line = absl::StrCat(series.contender, ": ", series.command);
      if (!absl::c_linear_search(lines, line)) lines.push_back(std::move(line));
    }
  }
  return lines.empty() ? "" : HtmlDetails("The servers' command lines", HtmlList(lines));
}

nlohmann::json ValuesOf(const Cell& cell, const Series& series) {
  nlohmann::json values = nlohmann::json::object();
  for (const Measure measure : AllMeasures()) {
    const auto spread = SpreadOver(measure, cell, series);
    if (spread && *NameOf(measure).id != '\0') {
      values[NameOf(measure).id] = {spread->median, spread->low, spread->high};
    }
  }
  return values;
}

// What page.js draws from: the report's medians and quartiles as JSON, safe inside a <script>
// element, since it has no "<".
//   {"cells": [{"workload", "parameters": [[name, value]...], "headline", "series":
//     [{"name", "kind", "values": {measure: [median, low, high]}}]}], "measures": {id: name},
//    "subject": "mode_routing"}
std::string ChartData(const Report& report) {
  nlohmann::json data = {{"subject", kSubject}, {"cells", nlohmann::json::array()}};
  for (const Measure measure : AllMeasures()) {
    if (*NameOf(measure).id != '\0') data["measures"][NameOf(measure).id] = NameOf(measure).phrase;
  }
  for (const Cell& cell : report.cells) {
    nlohmann::json shown = {{"workload", cell.workload},
                            {"parameters", cell.parameters},
                            {"headline", NameOf(HeadlineOf(cell)).id},
                            {"series", nlohmann::json::array()}};
    for (const Series& series : cell.series) {
      if (series.samples.empty()) continue;
      shown["series"].push_back({{"name", series.contender},
                                 {"kind", NameOf(series.kind)},
                                 {"values", ValuesOf(cell, series)}});
    }
    data["cells"].push_back(std::move(shown));
  }
  return absl::StrReplaceAll(
      data.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace),
      {{"<", "\\u003c"}});
}

}  // namespace

std::string ToHtml(const Report& report, const std::string& chart_js) {
  return absl::StrCat(Head(report), About(report), Summary(report), Warnings(report),
                      Workloads(report), "<section>", Element("h2", "How to read this"),
                      Element("p", kHowToRead), Commands(report),
                      "</section></main>\n<script type=\"application/json\" id=\"data\">",
                      ChartData(report), "</script>\n<script>\n", InlineScript(chart_js),
                      "\n</script>\n<script>\n", InlineScript(kJs), "</script>\n</body></html>\n");
}

}  // namespace objmapper::bench
