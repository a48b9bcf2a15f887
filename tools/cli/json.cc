#include "tools/cli/json.h"

#include <cmath>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace objmapper::tools {
namespace {

void AppendEscaped(char c, std::string* out) {
  switch (c) {
    case '"':
      out->append("\\\"");
      return;
    case '\\':
      out->append("\\\\");
      return;
    case '\n':
      out->append("\\n");
      return;
    case '\t':
      out->append("\\t");
      return;
    default:
      // DEL needs no escape in JSON, but a terminal may show the line.
      if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) {
        absl::StrAppendFormat(out, "\\u%04x", static_cast<uint8_t>(c));
      } else {
        out->push_back(c);
      }
  }
}

bool IsContinuation(char c) { return (static_cast<uint8_t>(c) & 0xC0) == 0x80; }

}  // namespace

size_t Utf8Length(absl::string_view text) {
  if (text.empty()) return 0;
  const uint8_t first = static_cast<uint8_t>(text[0]);
  if (first < 0x80) return 1;
  // C0 and C1 would be overlong; above F4 is no code point.
  if (first < 0xC2 || first > 0xF4) return 0;
  const size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  const uint8_t second = static_cast<uint8_t>(text[1]);
  if (first == 0xE0 && second < 0xA0) return 0;   // overlong
  if (first == 0xED && second >= 0xA0) return 0;  // a surrogate
  if (first == 0xF0 && second < 0x90) return 0;   // overlong
  if (first == 0xF4 && second >= 0x90) return 0;  // past U+10FFFF
  return length;
}

void JsonLine::AddRaw(absl::string_view name, absl::string_view value) {
  absl::StrAppend(&members_, members_.empty() ? "" : ",", "\"", name, "\":", value);
}

void JsonLine::AddText(absl::string_view name, absl::string_view value) {
  std::string quoted = "\"";
  bool valid = true;
  for (absl::string_view rest = value; !rest.empty();) {
    const size_t length = Utf8Length(rest);
    if (length == 1) {
      AppendEscaped(rest[0], &quoted);
    } else if (length > 1) {
      quoted.append(rest.data(), length);
    } else {
      quoted.append("\\ufffd");
      valid = false;
    }
    rest.remove_prefix(length == 0 ? 1 : length);
  }
  quoted.push_back('"');
  AddRaw(name, quoted);
  if (!valid) {
    AddRaw(absl::StrCat(name, "_hex"), absl::StrCat("\"", absl::BytesToHexString(value), "\""));
  }
}

void JsonLine::AddNumber(absl::string_view name, uint64_t value) {
  AddRaw(name, absl::StrCat(value));
}

void JsonLine::AddNumber(absl::string_view name, double value) {
  AddRaw(name, std::isfinite(value) ? absl::StrFormat("%.9g", value) : "null");
}

void JsonLine::AddBool(absl::string_view name, bool value) {
  AddRaw(name, value ? "true" : "false");
}

}  // namespace objmapper::tools
