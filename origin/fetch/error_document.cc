// A scanner for four elements, and no reader of XML (origin/s3/documents.h): what to do about an
// answer must be known, and shown, where its body is cut short or holds what XML does not allow.
#include "origin/fetch/error_document.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace objmapper::origin::fetch {
namespace {

// What stands between <name> and </name>, of the first such element; false if there is none.
bool Element(absl::string_view xml, absl::string_view name, absl::string_view* content) {
  for (size_t at = 0; (at = xml.find('<', at)) != xml.npos; ++at) {
    absl::string_view rest = xml.substr(at + 1);
    if (!absl::ConsumePrefix(&rest, name)) continue;
    // "<Code>" or "<Error xmlns=...>", but not "<CodeName>" and not "<Code/>".
    const size_t end = rest.find('>');
    if (end == rest.npos || (end != 0 && !absl::ascii_isspace(rest[0]))) continue;
    rest = rest.substr(end + 1);
    const size_t close = rest.find(absl::StrCat("</", name, ">"));
    if (close == rest.npos) return false;
    *content = rest.substr(0, close);
    return true;
  }
  return false;
}

std::string Text(absl::string_view xml, absl::string_view name) {
  absl::string_view content;
  if (!Element(xml, name, &content)) return "";
  return absl::StrReplaceAll(
      absl::StripAsciiWhitespace(content),
      {{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}, {"&amp;", "&"}});
}

}  // namespace

ErrorDocument ParseErrorDocument(absl::string_view xml) {
  ErrorDocument document;
  absl::string_view error;
  if (!Element(xml, "Error", &error)) return document;
  document.code = Text(error, "Code");
  if (document.code.empty()) return document;
  document.message = Text(error, "Message");
  document.region = Text(error, "Region");
  document.endpoint = Text(error, "Endpoint");
  return document;
}

}  // namespace objmapper::origin::fetch
