#include "tools/bench/report/loss_rows.h"

#include "tools/bench/report/figure.h"
#include "tools/bench/report/measure.h"

namespace objmapper::bench {

std::vector<std::vector<std::string>> LossRows(const std::vector<Loss>& losses,
                                               const std::string& subject) {
  std::vector<std::vector<std::string>> rows = {
      {"cell", "measure", subject, "beaten by", "its figure", "ratio", "its req/s / ours"}};
  for (const Loss& loss : losses) {
    const Series* own = FindSeries(*loss.cell, subject);
    rows.push_back(
        {TitleOf(*loss.cell), NameOf(loss.measure),
         Figure(SpreadOver(loss.measure, *loss.cell, *own)), loss.winner->contender,
         Figure(SpreadOver(loss.measure, *loss.cell, *loss.winner)), RatioFigure(loss.ratio),
         // A short latency of few answers is no great win: both are shown.
         RatioFigure(RatioOver(Measure::kRequestsPerSecond, *loss.cell, *loss.winner, *own))});
  }
  return rows;
}

}  // namespace objmapper::bench
