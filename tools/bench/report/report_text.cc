#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tools/bench/report/columns.h"
#include "tools/bench/report/measure.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {

namespace {

// Characters, not bytes: "µ" and "–" are two and three bytes of UTF-8 and take one place.
size_t PlacesOf(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

std::string TextTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(rows[0].size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], PlacesOf(row[i]));
  }
  std::string table;
  for (const auto& row : rows) {
    absl::StrAppend(&table, " ");
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - PlacesOf(row[i]), ' ');
      absl::StrAppend(&table, " ", i == 0 ? row[i] : blanks, i == 0 ? blanks : row[i],
                      i + 1 < row.size() ? " " : "\n");
    }
  }
  return table;
}

std::string CellTable(const Cell& cell) {
  const std::vector<std::vector<std::string>> rows = RowsOf(cell);
  std::string table = absl::StrCat(TitleOf(cell), "\n");
  if (rows.size() > 1) absl::StrAppend(&table, TextTable(rows));
  for (const std::string& note : NotesOf(cell)) absl::StrAppend(&table, "  ", note, "\n");
  return table;
}

}  // namespace objmapper::bench
