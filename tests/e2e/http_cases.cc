// Markdown to bytes, and bytes to the page's words.
#include "tests/e2e/http_cases.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace objmapper::e2e {
namespace {

// In the order in which they are replaced: what one stands for may have the next in it.
constexpr std::pair<absl::string_view, absl::string_view> kMacros[] = {
    {"{GET}", R"(GET /a HTTP/1.1\nHost: localhost\n)"},
    {"{C}", R"(GET /a HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n)"},
    {"{B}", R"(\n2b\n{S}\n0\n\n)"},
    {"{S}", R"(GET /smuggled HTTP/1.1\nHost: localhost\n\n)"},
};

// "{ab*3}" to "ababab".
std::string Repeat(absl::string_view text) {
  std::string out;
  while (true) {
    const size_t begin = text.find('{');
    if (begin == absl::string_view::npos) return absl::StrCat(out, text);
    const size_t end = text.find('}', begin), star = text.rfind('*', end);
    size_t times = 0;
    if (end == absl::string_view::npos || star < begin ||
        !absl::SimpleAtoi(text.substr(star + 1, end - star - 1), &times)) {
      ADD_FAILURE() << "not in the page's notation: " << text;
      return out;
    }
    absl::StrAppend(&out, text.substr(0, begin));
    for (; times > 0; --times) absl::StrAppend(&out, text.substr(begin + 1, star - begin - 1));
    text.remove_prefix(end + 1);
  }
}

std::string Unescape(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    switch (++i < text.size() ? text[i] : '\0') {
      case 'n':
        out += "\r\n";
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case '\\':
        out += '\\';
        break;
      case 'x':
        out += absl::HexStringToBytes(text.substr(i + 1, 2));
        i += 2;
        break;
      default:
        ADD_FAILURE() << "not in the page's notation: " << text;
    }
  }
  return out;
}

std::string Decode(absl::string_view text) {
  return Unescape(Repeat(absl::StrReplaceAll(
      absl::StrReplaceAll(text, {kMacros[0], kMacros[1], kMacros[2]}), {kMacros[3]})));
}

// "" where it is not there.
std::string FieldOf(absl::string_view head, absl::string_view name) {
  for (const absl::string_view line : absl::StrSplit(head, "\r\n")) {
    const size_t colon = line.find(':');
    if (colon != absl::string_view::npos && absl::EqualsIgnoreCase(line.substr(0, colon), name))
      return std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
  }
  return "";
}

}  // namespace

bool HttpCase::waits() const { return absl::EndsWith(told, " waits"); }

bool HttpCase::is_no_http() const { return absl::StartsWith(told, "no HTTP"); }

std::vector<HttpCase> LoadHttpCases() {
  const char* const path = getenv("OBJMAPPER_HTTP_CASES");
  std::ifstream page(path == nullptr ? "" : path);
  std::vector<HttpCase> cases;
  for (std::string line; std::getline(page, line);) {
    const std::vector<std::string> cells = absl::StrSplit(line, " | ");
    if (cells.size() < 6 || !absl::StartsWith(cells[1], "`")) continue;
    absl::string_view text = cells[1];
    absl::ConsumePrefix(&text, "`");
    absl::ConsumeSuffix(&text, "`");
    cases.push_back({cells[0].substr(2), Decode(text), cells[2]});
  }
  EXPECT_GT(cases.size(), 200u) << "or the page's notation has changed";
  return cases;
}

std::string TakeHttpReply(absl::string_view* answered, bool to_head, std::string* body) {
  body->clear();
  const size_t end = answered->find("\r\n\r\n");
  if (end == absl::string_view::npos || !absl::StartsWith(*answered, "HTTP/1.1 ")) {
    *answered = {};
    return "no HTTP";
  }
  const absl::string_view head = answered->substr(0, end);
  std::string status(head.substr(9, 3));
  answered->remove_prefix(end + 4);
  size_t length = 0;
  if (to_head || status == "204" || status == "304") return status;
  EXPECT_TRUE(absl::SimpleAtoi(FieldOf(head, "Content-Length"), &length)) << head;
  EXPECT_LE(length, answered->size()) << "a body that is cut, behind " << head;
  *body = std::string(answered->substr(0, length));
  answered->remove_prefix(std::min(length, answered->size()));
  for (const HttpObject& object : kHttpObjects) {
    const absl::string_view name = object.name;
    if ((name == "behind" || name == "smuggled") && absl::StrContains(*body, object.content))
      return object.name;
  }
  return status;
}

std::string HttpVerdict(absl::string_view answered, bool to_head) {
  std::vector<std::string> words;
  while (!answered.empty()) {
    std::string body;
    words.push_back(TakeHttpReply(&answered, to_head && words.empty(), &body));
  }
  const bool goes_on = words.size() > 1 && words.back() == "behind";
  if (goes_on) words.pop_back();
  return absl::StrCat(absl::StrJoin(words, ", "), goes_on         ? ""
                                                  : words.empty() ? "close"
                                                                  : " close");
}

}  // namespace objmapper::e2e
