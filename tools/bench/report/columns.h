// The rows that tables have: on the terminal, in the page, in the docs.
#pragma once

#include <string>
#include <vector>

#include "tools/bench/report/findings.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {

// The first row is the head, the first column the contender. Columns that nobody has a figure for
// are left out. Contenders without samples have no row.
std::vector<std::vector<std::string>> RowsOf(const Cell& cell);

// The rows as lines, columns under each other: the first to the left, figures to the right.
std::string TextTable(const std::vector<std::vector<std::string>>& rows);

// A row for each loss of `subject`, in their order; the first row is the head.
std::vector<std::vector<std::string>> LossRows(const std::vector<Loss>& losses,
                                               const std::string& subject);

// Why contenders are missing, warnings: a sentence each.
std::vector<std::string> NotesOf(const Cell& cell);

}  // namespace objmapper::bench
