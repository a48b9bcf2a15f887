#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "tools/bench/report/columns.h"
#include "tools/bench/report/findings.h"
#include "tools/bench/report/html_charts.h"
#include "tools/bench/report/html_parts.h"
#include "tools/bench/report/html_summary.h"
#include "tools/bench/report/measure.h"
#include "tools/bench/report/report.h"
#include "tools/bench/report/subject.h"

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
    "whisker "
    "the quartiles. A ratio is taken round by round. Floors (grey) are bare loops that do the "
    "least the "
    "kernel allows; no server can be expected to beat them.";

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
  std::string html = absl::StrCat("<header>", HtmlHeading(1, "objmapper benchmarks"));
  absl::StrAppend(&html, "<p class=\"meta\">",
                  EscapeHtml(absl::StrFormat(
                      "%s · %srounds: %s · %s · %s · %s", report.date,
                      report.version.empty() ? "" : absl::StrCat(report.version, " · "),
                      RoundsText(report), MachineText(machine), machine.os, machine.kernel)),
                  "</p>\n<pre>", EscapeHtml(report.command), "</pre></header>\n");
  return html;
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
      absl::StrAppend(&tables, HtmlHeading(4, TitleOf(cell)), HtmlTable(RowsOf(cell)),
                      HtmlList(NotesOf(cell)));
    }
    absl::StrAppend(&html, "<section>", HtmlHeading(2, workload),
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
      bool known = false;
      for (const std::string& seen : lines) known = known || seen == line;
      if (!known) lines.push_back(std::move(line));
    }
  }
  return lines.empty() ? "" : HtmlDetails("The servers' command lines", HtmlList(lines));
}

}  // namespace

std::string ToHtml(const Report& report, const std::string& chart_js) {
  return absl::StrCat(Head(report), About(report), HtmlSummary(report, kSubject), Warnings(report),
                      Workloads(report), "<section>", HtmlHeading(2, "How to read this"),
                      HtmlParagraph(kHowToRead), Commands(report),
                      "</section></main>\n<script type=\"application/json\" id=\"data\">",
                      ChartData(report, kSubject), "</script>\n<script>\n", InlineScript(chart_js),
                      "\n</script>\n<script>\n", InlineScript(kJs), "</script>\n</body></html>\n");
}

}  // namespace objmapper::bench
