// Encodes JSON (RFC 8259). Bytes that are not UTF-8 and characters that a terminal would obey are
// escaped.
#include "tools/cli/json.h"

#include <cmath>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "text/printable.h"

namespace objmapper::tools {
namespace {

constexpr std::pair<char32_t, absl::string_view> kShortEscapes[] = {
    {'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\t', "\\t"}};

// A valid character that shows itself as it is, and as JSON has it every other (RFC 8259, section
// 7): what JSON reserves, and what a terminal would obey that shows the line.
void AppendCharacter(absl::string_view bytes, const text::Character& character, std::string* out) {
  for (const auto& [code_point, escape] : kShortEscapes) {
    if (character.code_point == code_point) return absl::StrAppend(out, escape);
  }
  if (character.printable) {
    out->append(bytes.data(), bytes.size());
  } else if (character.code_point < 0x10000) {
    absl::StrAppendFormat(out, "\\u%04x", static_cast<uint32_t>(character.code_point));
  } else {
    const uint32_t above = static_cast<uint32_t>(character.code_point) - 0x10000;
    absl::StrAppendFormat(out, "\\u%04x\\u%04x", 0xD800 + (above >> 10), 0xDC00 + (above & 0x3FF));
  }
}

}  // namespace

void JsonLine::AddRaw(absl::string_view name, absl::string_view value) {
  absl::StrAppend(&members_, members_.empty() ? "" : ",", "\"", name, "\":", value);
}

void JsonLine::AddText(absl::string_view name, absl::string_view value) {
  std::string quoted = "\"";
  bool valid = true;
  for (absl::string_view rest = value; !rest.empty();) {
    const text::Character character = text::FirstCharacter(rest);
    if (character.bytes > 0) {
      AppendCharacter(rest.substr(0, character.bytes), character, &quoted);
    } else {
      quoted.append("\\ufffd");
      valid = false;
    }
    rest.remove_prefix(character.bytes == 0 ? 1 : character.bytes);
  }
  quoted.push_back('"');
  AddRaw(name, quoted);
  if (!valid) {
    AddRaw(absl::StrCat(name, "_hex"), absl::StrCat("\"", absl::BytesToHexString(value), "\""));
  }
}

void JsonLine::AddNumber(absl::string_view name, double value) {
  AddRaw(name, std::isfinite(value) ? absl::StrFormat("%.9g", value) : "null");
}

void JsonLine::AddBool(absl::string_view name, bool value) {
  AddRaw(name, value ? "true" : "false");
}

}  // namespace objmapper::tools
