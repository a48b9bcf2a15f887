// Numbers as people read them, and the rows that tables have: on the terminal, in the page, in the
// docs.
#pragma once

#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "tools/bench/report/findings.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {

// Three significant digits: 0.0123 "0.0123", 4.56 "4.56", 78.9 "78.9", 1234 "1,234", 98765
// "98,765".
std::string Figure(double value);

// The median; "-" when there is none.
std::string Figure(const absl::optional<Spread>& spread);

// "0.97 (0.95–0.99)"; "-" when there is none.
std::string RatioFigure(const absl::optional<Spread>& ratio);

// "±4 %": half the distance of the quartiles, relative to the median; "" when there is none.
std::string SpreadFigure(const absl::optional<Spread>& spread);

// The first row is the head.
using Rows = std::vector<std::vector<std::string>>;

// The first row is the head, the first column the contender. Columns that nobody has a figure for
// are left out. Contenders without samples have no row.
Rows RowsOf(const Cell& cell);

// The rows as lines, columns under each other: the first to the left, figures to the right.
std::string TextTable(const Rows& rows);

// A row for each loss of `subject`, in their order; the first row is the head.
Rows LossRows(const std::vector<Loss>& losses, const std::string& subject);

// Why contenders are missing, warnings: a sentence each.
std::vector<std::string> NotesOf(const Cell& cell);

}  // namespace objmapper::bench
