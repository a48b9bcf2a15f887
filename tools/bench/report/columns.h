// The columns that every table of a cell has: on the terminal, in the page, in the docs.
#pragma once

#include <string>
#include <vector>

#include "tools/bench/report/report.h"

namespace objmapper::bench {

// The first row is the head, the first column the contender. Columns that nobody has a figure for
// are left out. Contenders without samples have no row.
std::vector<std::vector<std::string>> RowsOf(const Cell& cell);

// The rows as lines, columns under each other: the first to the left, figures to the right.
std::string TextTable(const std::vector<std::vector<std::string>>& rows);

// Why contenders are missing, warnings: a sentence each.
std::vector<std::string> NotesOf(const Cell& cell);

}  // namespace objmapper::bench
