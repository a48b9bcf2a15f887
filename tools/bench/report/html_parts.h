// Pieces of HTML. Whatever comes in is text: it is escaped here and nowhere else.
#pragma once

#include <string>
#include <vector>

namespace objmapper::bench {

// & < > " ' as entities.
std::string EscapeHtml(const std::string& text);

// <h2 id="...">, text.
std::string HtmlHeading(int level, const std::string& text);

std::string HtmlParagraph(const std::string& text);

// A list; empty for no items.
std::string HtmlList(const std::vector<std::string>& items);

// A table that scrolls sideways on a narrow screen. The first row is the head, the first column the
// row's name.
std::string HtmlTable(const std::vector<std::vector<std::string>>& rows);

// A part that opens when its title is touched.
std::string HtmlDetails(const std::string& title, const std::string& html);

}  // namespace objmapper::bench
