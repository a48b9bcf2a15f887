#include "tools/bench/report/html_summary.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/bench/report/figure.h"
#include "tools/bench/report/findings.h"
#include "tools/bench/report/html_parts.h"
#include "tools/bench/report/loss_rows.h"

namespace objmapper::bench {

namespace {

using Rows = std::vector<std::vector<std::string>>;

struct Tally {
  int won = 0, tied = 0, lost = 0;
};

// A row for each cell; counts the subject's fate by the cell's headline measure.
Rows WinnerRows(const Report& report, const std::string& subject, Tally& tally) {
  Rows rows = {{"cell", "measure", "best of models and peers", "its figure",
                subject + " / best other", "verdict", subject + " / best floor"}};
  for (const Cell& cell : report.cells) {
    const Measure measure = HeadlineOf(cell);
    const Series* best = BestOf(cell, measure);
    if (best == nullptr) continue;
    const Series* own = FindSeries(cell, subject);
    const Series* other = own == nullptr ? nullptr : BestOf(cell, measure, own);
    const Series* floor = BestOfKind(cell, measure, Kind::kFloor);
    absl::optional<Spread> ratio, to_floor;
    if (other != nullptr) ratio = RatioOver(measure, cell, *own, *other);
    if (own != nullptr && floor != nullptr) to_floor = RatioOver(measure, cell, *own, *floor);
    std::string verdict = "-";
    if (ratio) {
      switch (Judge(*ratio, LessIsBetter(measure))) {
        case Verdict::kBetter:
          verdict = "wins";
          ++tally.won;
          break;
        case Verdict::kTie:
          verdict = "tie";
          ++tally.tied;
          break;
        case Verdict::kWorse:
          verdict = "loses";
          ++tally.lost;
          break;
      }
    }
    rows.push_back({TitleOf(cell), NameOf(measure), best->contender,
                    Figure(SpreadOver(measure, cell, *best)), RatioFigure(ratio), verdict,
                    RatioFigure(to_floor)});
  }
  return rows;
}

std::string Card(const std::string& kind, int count, const std::string& text) {
  return absl::StrCat("<div class=\"card ", kind, "\"><b>", count, "</b><span>", EscapeHtml(text),
                      "</span></div>");
}

}  // namespace

std::string HtmlSummary(const Report& report, const std::string& subject) {
  Tally tally;
  const Rows winners = WinnerRows(report, subject, tally);
  const std::vector<Loss> losses = LossesOf(report, subject);
  const std::vector<Loss> floors = LossesToFloors(report, subject);

  std::string html = HtmlHeading(2, "In short");
  absl::StrAppend(&html, "<div class=\"cards\">",
                  Card("good", tally.won,
                       absl::StrCat("cells in which ", subject, " beats every model and peer")),
                  Card("even", tally.tied, "cells in which it ties with the best other"),
                  Card("bad", tally.lost, "cells in which another is better"),
                  Card("bad", static_cast<int>(losses.size()),
                       "losses when p99 and server CPU are counted too"),
                  "</div>\n");
  absl::StrAppend(&html, HtmlDetails("Who wins each cell", HtmlTable(winners)),
                  HtmlParagraph(NotTheSame(report)));

  absl::StrAppend(&html, "<section class=\"lose\">", HtmlHeading(2, "Where we lose"));
  if (losses.empty()) {
    absl::StrAppend(
        &html, HtmlParagraph(absl::StrCat(
                   "In none of these cells did another model or a peer do clearly better than ",
                   subject, " in throughput, p99 or server CPU.")));
  } else {
    absl::StrAppend(
        &html,
        HtmlParagraph(
            "Another model or peer was better in these, the worst first. A ratio is "
            "the median of the rounds' ratios, with its quartiles. The latencies of one that "
            "left more connections without any answer do not count."),
        HtmlTable(LossRows(losses, subject)));
  }
  if (!floors.empty()) {
    absl::StrAppend(&html, HtmlDetails(absl::StrCat("What being a server costs: ", floors.size(),
                                                    " figures behind the bare loops"),
                                       HtmlTable(LossRows(floors, subject))));
  }
  return absl::StrCat(html, "</section>\n");
}

}  // namespace objmapper::bench
