#include "tools/bench/report/cliffs.h"

#include <algorithm>
#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tools/bench/report/report.h"
#include "tools/bench/report/table.h"

namespace objmapper::bench {

CostFit FitOf(const std::vector<std::pair<double, double>>& costs) {
  // Minimizes the sum of ((fixed + slope * bytes) / cost - 1)².
  double ww = 0, wx = 0, xx = 0, w = 0, x = 0;
  for (const auto& [bytes, cost] : costs) {
    const double a = 1 / cost, b = bytes / cost;
    ww += a * a;
    wx += a * b;
    xx += b * b;
    w += a;
    x += b;
  }
  const double determinant = ww * xx - wx * wx;
  if (determinant > 1e-12 * ww * xx) {
    const CostFit fit{.fixed_us = (xx * w - wx * x) / determinant,
                      .us_per_byte = (ww * x - wx * w) / determinant};
    if (fit.fixed_us >= 0 && fit.us_per_byte >= 0) return fit;
    if (fit.fixed_us < 0 && xx > 0) return {.us_per_byte = x / xx};
  }
  return {.fixed_us = w / ww};
}

std::vector<SizeCurve> CurvesOf(const Report& report) {
  std::vector<SizeCurve> curves;
  std::map<std::string, size_t> known;
  for (const Cell& cell : report.cells) {
    uint64_t bytes = 0;
    if (cell.workload != "sets" || !absl::SimpleAtoi(ParameterOf(cell, "size"), &bytes)) continue;
    for (const Series& series : cell.series) {
      const absl::optional<Spread> cost = SpreadOver(Measure::kServerCpuUs, cell, series);
      if (!cost.has_value() || cost->median <= 0) continue;
      const std::string title =
          absl::StrCat(series.contender, ": ", ParameterOf(cell, "mode"), ", ",
                       ParameterOf(cell, "transport"), ", ", ParameterOf(cell, "conns"),
                       " connections, ", ParameterOf(cell, "objects"), " objects");
      const auto [at, added] = known.emplace(title, curves.size());
      if (added) curves.push_back({.title = title});
      curves[at->second].costs.emplace_back(bytes, cost->median);
    }
  }
  std::erase_if(curves, [](const SizeCurve& curve) { return curve.costs.size() < 2; });
  for (SizeCurve& curve : curves) {
    std::sort(curve.costs.begin(), curve.costs.end());
    curve.fit = FitOf({curve.costs.begin(), curve.costs.end()});
    for (size_t i = 0; i + 1 < curve.costs.size(); ++i) {
      const auto beyond = [&](size_t which) {
        const auto& [bytes, cost] = curve.costs[which];
        return cost / curve.fit.At(static_cast<double>(bytes));
      };
      const double ratio = beyond(i + 1) / beyond(i);
      const double step = std::max(ratio, 1 / ratio);
      if (step > curve.step) {
        curve.step = step;
        curve.worst = i;
      }
    }
  }
  return curves;
}

std::string CliffsText(const Report& report) {
  std::string text;
  for (const SizeCurve& curve : CurvesOf(report)) {
    const auto& [smaller, smaller_us] = curve.costs[curve.worst];
    const auto& [larger, larger_us] = curve.costs[curve.worst + 1];
    absl::StrAppend(&text, "  ", curve.title, ": ", Figure(curve.fit.fixed_us), " µs + ",
                    Figure(curve.fit.us_per_byte * 1e6),
                    " µs per MB; the largest step beyond that: ", Figure(curve.step), ", between ",
                    smaller, " bytes (", Figure(smaller_us), " µs) and ", larger, " (",
                    Figure(larger_us), " µs)\n");
  }
  return text.empty()
             ? text
             : absl::StrCat("Server CPU per request, as a fixed cost and a cost per byte:\n", text);
}

}  // namespace objmapper::bench
