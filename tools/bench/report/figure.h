// Numbers as people read them: three significant digits and a unit.
#pragma once

#include <string>

#include "absl/types/optional.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {

// 0.0123 "0.0123", 4.56 "4.56", 78.9 "78.9", 1234 "1,234", 98765 "98,765".
std::string Figure(double value);

// The median; "-" when there is none.
std::string Figure(const absl::optional<Spread>& spread);

// "0.97 (0.95–0.99)"; "-" when there is none.
std::string RatioFigure(const absl::optional<Spread>& ratio);

// "±4 %": half the distance of the quartiles, relative to the median; "" when there is none.
std::string SpreadFigure(const absl::optional<Spread>& spread);

}  // namespace objmapper::bench
