#include "tools/bench/report/figure.h"

#include <cmath>

#include "absl/strings/str_format.h"

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

}  // namespace objmapper::bench
