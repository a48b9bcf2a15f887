#include "tools/bench/report/html_parts.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace objmapper::bench {

std::string EscapeHtml(const std::string& text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::string HtmlHeading(int level, const std::string& text) {
  return absl::StrCat("<h", level, ">", EscapeHtml(text), "</h", level, ">\n");
}

std::string HtmlParagraph(const std::string& text) {
  return absl::StrCat("<p>", EscapeHtml(text), "</p>\n");
}

std::string HtmlList(const std::vector<std::string>& items) {
  if (items.empty()) return "";
  std::string html = "<ul>";
  for (const std::string& item : items) absl::StrAppend(&html, "<li>", EscapeHtml(item), "</li>");
  return absl::StrCat(html, "</ul>\n");
}

std::string HtmlTable(const std::vector<std::vector<std::string>>& rows) {
  std::string html = "<div class=\"scroll\"><table>";
  for (size_t row = 0; row < rows.size(); ++row) {
    absl::StrAppend(&html, "<tr>");
    for (size_t column = 0; column < rows[row].size(); ++column) {
      const char* tag = row == 0 || column == 0 ? "th" : "td";
      absl::StrAppend(&html, "<", tag, ">", EscapeHtml(rows[row][column]), "</", tag, ">");
    }
    absl::StrAppend(&html, "</tr>\n");
  }
  return absl::StrCat(html, "</table></div>\n");
}

std::string HtmlDetails(const std::string& title, const std::string& html) {
  return absl::StrCat("<details><summary>", EscapeHtml(title), "</summary>\n", html,
                      "</details>\n");
}

}  // namespace objmapper::bench
