// Rows, and what stands around them.
#include "protocol/http/listing.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "protocol/http/date.h"
#include "protocol/http/listing_page.h"
#include "protocol/http/target.h"
#include "text/printable.h"

namespace objmapper::protocol::http {
namespace {

void AppendPercent(absl::string_view bytes, std::string* out) {
  for (const char byte : bytes) absl::StrAppendFormat(out, "%%%02X", static_cast<uint8_t>(byte));
}

// As text of a page, where it is no attribute.
void AppendShown(absl::string_view name, std::string* out) {
  while (!name.empty()) {
    const text::Character character = text::FirstCharacter(name);
    const absl::string_view one = name.substr(0, std::max<size_t>(character.bytes, 1));
    name.remove_prefix(one.size());
    if (!character.printable) {
      AppendPercent(one, out);
    } else if (one == "&") {
      out->append("&amp;");
    } else if (one == "<") {
      out->append("&lt;");
    } else if (one == ">") {
      out->append("&gt;");
    } else if (one == "\"") {
      out->append("&quot;");
    } else if (one == "'") {
      out->append("&#39;");
    } else {
      out->append(one.data(), one.size());
    }
  }
}

// Between the quotes of JSON (RFC 8259, 7).
void AppendJson(absl::string_view name, std::string* out) {
  while (!name.empty()) {
    const size_t bytes = text::Utf8Length(name);
    const absl::string_view one = name.substr(0, std::max<size_t>(bytes, 1));
    name.remove_prefix(one.size());
    if (bytes == 0) {
      AppendPercent(one, out);
    } else if (one == "\"" || one == "\\") {
      absl::StrAppend(out, "\\", one);
    } else if (static_cast<uint8_t>(one[0]) < 0x20 || one[0] == 0x7F) {
      absl::StrAppendFormat(out, "\\u%04x", static_cast<uint8_t>(one[0]));
    } else {
      out->append(one.data(), one.size());
    }
  }
}

// File systems keep times that no calendar has: those are shown as the first or last that has one.
int64_t Calendar(int64_t seconds) {
  constexpr int64_t kFirst = -62167219200, kLast = 253402300799;  // of the years 0 and 9999
  return std::clamp(seconds, kFirst, kLast);
}

std::string HttpDate(int64_t seconds) {
  std::string date(kDateBytes, '\0');
  FormatDate(Calendar(seconds), date.data());
  return date;
}

std::string ShortSize(uint64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double size = static_cast<double>(bytes);
  const char* unit = "KMGTPE";
  // What would be written as 1024 is one of the next unit.
  for (size /= 1024; size >= 1023.95 && unit[1] != '\0'; size /= 1024) ++unit;
  return absl::StrFormat("%.1f %ciB", size, *unit);
}

std::string Count(uint64_t count, absl::string_view what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

// The folder and those that it is in, each a link; relative, so that they hold behind a proxy that
// serves the tree below a path of its own.
void AppendWay(absl::string_view folder, std::string* out) {
  size_t levels = static_cast<size_t>(std::count(folder.begin(), folder.end(), '/'));
  absl::string_view name = "";
  while (true) {
    absl::string_view shown = name;
    std::string way;
    for (size_t i = 0; i < levels; ++i) way += "../";
    if (way.empty()) way = "./";
    absl::StrAppend(out, "<a href=\"", way, "\">");
    AppendShown(shown, out);
    absl::StrAppend(out, "/</a>");
    // Doubled slashes are a level of the link, but no folder.
    do {
      if (levels == 0) return;
      const size_t slash = folder.find('/');
      name = folder.substr(0, slash);
      folder.remove_prefix(slash + 1);
      --levels;
    } while (name.empty());
  }
}

// The weight that Accept gives a type by its name; -1: it does not name it.
double WeightOf(const Head& head, absl::string_view type) {
  double weight = -1;
  ForEachElement(head, "accept", [&](absl::string_view element) {
    const std::vector<absl::string_view> parts = absl::StrSplit(element, ';');
    if (!absl::EqualsIgnoreCase(WithoutBlanks(parts[0]), type)) return;
    weight = 1;
    for (size_t i = 1; i < parts.size(); ++i) {
      const absl::string_view part = WithoutBlanks(parts[i]);
      double value;
      if (absl::StartsWithIgnoreCase(part, "q=") && absl::SimpleAtod(part.substr(2), &value))
        weight = value;
    }
  });
  return weight;
}

}  // namespace

void ListingBody::Begin(std::string* out) {
  if (json_) {
    out->append("[");
    return;
  }
  absl::StrAppend(out,
                  "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<title>/");
  AppendShown(folder_, out);
  absl::StrAppend(out, "</title>\n<style>", kPageStyle, "</style>\n<h1>");
  AppendWay(folder_, out);
  absl::StrAppend(out,
                  "</h1>\n<table>\n<thead><tr><th scope=\"col\">Name<th scope=\"col\">Size"
                  "<th scope=\"col\">Modified (UTC)</thead>\n<tbody>\n");
}

void ListingBody::Add(const ListingEntry& entry, std::string* out) {
  const bool is_first = folders_ + objects_ == 0;
  if (entry.is_folder) {
    ++folders_;
  } else {
    ++objects_;
    bytes_ += entry.size;
  }
  if (json_) {
    // To the byte as nginx's ngx_http_autoindex_module has it, for those who read that.
    absl::StrAppend(out, is_first ? "\r\n" : ",\r\n", "{ \"name\":\"");
    AppendJson(entry.name, out);
    absl::StrAppend(out, "\", \"type\":\"", entry.is_folder ? "directory" : "file",
                    "\", \"mtime\":\"", HttpDate(entry.mtime_s), "\"");
    if (!entry.is_folder) absl::StrAppend(out, ", \"size\":", entry.size);
    out->append(" }");
    return;
  }
  const absl::string_view slash = entry.is_folder ? "/" : "";
  absl::StrAppend(out, "<tr><td><a href=\"", EncodePath(entry.name), slash, "\">");
  AppendShown(entry.name, out);
  absl::StrAppend(out, slash, "</a>");
  if (entry.is_folder) {
    out->append("<td>");
  } else {
    absl::StrAppend(out, "<td title=\"", entry.size, entry.size == 1 ? " byte" : " bytes", "\">",
                    ShortSize(entry.size));
  }
  absl::StrAppend(
      out, "<td>",
      absl::FormatTime("%E4Y-%m-%d %H:%M:%S", absl::FromUnixSeconds(Calendar(entry.mtime_s)),
                       absl::UTCTimeZone()),
      "\n");
}

void ListingBody::End(std::string* out) {
  if (json_) {
    out->append("\r\n]");
    return;
  }
  out->append("</tbody>\n</table>\n<p>");
  if (folders_ + objects_ == 0) out->append("This folder is empty.");
  if (folders_ > 0) out->append(Count(folders_, "folder"));
  if (folders_ > 0 && objects_ > 0) out->append(", ");
  if (objects_ > 0) absl::StrAppend(out, Count(objects_, "object"), ", ", ShortSize(bytes_));
  absl::StrAppend(out, "</p>\n<script>", kPageScript, "</script>\n");
}

void AddListingFields(bool json, AnswerHead* head) {
  head->Add("Content-Type", json ? "application/json" : "text/html; charset=utf-8")
      // It is of now, and has no version by which a cache could ask for it again.
      .Add("Cache-Control", "no-cache")
      .Add("Vary", "Accept")
      .Add("X-Content-Type-Options", "nosniff");
  if (!json) head->Add("Content-Security-Policy", kPagePolicy);
}

bool WantsJson(const Head& head, absl::string_view query) {
  for (const absl::string_view part : absl::StrSplit(query, '&')) {
    if (part == "format=json") return true;
    if (part == "format=html") return false;
  }
  const double json = WeightOf(head, "application/json");
  return json > 0 && json >= WeightOf(head, "text/html");
}

std::string FolderLocation(const Ask& ask) {
  absl::string_view path = ask.path;
  while (absl::ConsumePrefix(&path, "/")) {
  }
  std::string location = absl::StrCat("/", EncodePath(path), "/");
  if (ask.query.empty()) return location;
  location += '?';
  for (const char c : ask.query) {
    // Encoded it is already; but what no URI may hold, some clients send all the same.
    if (c > ' ' && c < 0x7F &&
        absl::string_view("\"<>\\^`{|}").find(c) == absl::string_view::npos) {
      location += c;
    } else {
      AppendPercent(absl::string_view(&c, 1), &location);
    }
  }
  return location;
}

}  // namespace objmapper::protocol::http
