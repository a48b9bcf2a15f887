#include "tools/bench/report/markdown.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace objmapper::bench {

std::string MarkdownTable(const std::vector<std::vector<std::string>>& rows) {
  if (rows.size() < 2) return "";
  std::string table;
  for (size_t row = 0; row < rows.size(); ++row) {
    for (const std::string& cell : rows[row]) {
      absl::StrAppend(&table, "| ", absl::StrReplaceAll(cell, {{"|", "\\|"}, {"\n", " "}}), " ");
    }
    absl::StrAppend(&table, "|\n");
    if (row > 0) continue;
    // Names to the left, figures to the right.
    for (size_t i = 0; i < rows[0].size(); ++i) absl::StrAppend(&table, i == 0 ? "|---" : "|---:");
    absl::StrAppend(&table, "|\n");
  }
  return table;
}

std::string MarkdownList(const std::vector<std::string>& items) {
  std::string list;
  for (const std::string& item : items) {
    absl::StrAppend(&list, "- ", absl::StrReplaceAll(item, {{"\n", " "}}), "\n");
  }
  return list;
}

}  // namespace objmapper::bench
