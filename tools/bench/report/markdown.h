// Pieces of Markdown.
#pragma once

#include <string>
#include <vector>

namespace objmapper::bench {

// A table; the first row is the head. "|" in a cell is escaped. Empty for no rows but the head.
std::string MarkdownTable(const std::vector<std::vector<std::string>>& rows);

// A bullet for each.
std::string MarkdownList(const std::vector<std::string>& items);

}  // namespace objmapper::bench
