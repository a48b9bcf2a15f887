// The escaping. The table of hidden code points follows the list in the header, in ascending order.
#include "text/printable.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace objmapper::text {
namespace {

struct Span {
  char32_t first, last;
};

// The header's list, in order; ASCII and the noncharacters at each plane's end apart.
constexpr Span kHidden[] = {
    {0x80, 0x9F},       {0xAD, 0xAD},       {0x034F, 0x034F}, {0x061C, 0x061C}, {0x115F, 0x1160},
    {0x17B4, 0x17B5},   {0x180B, 0x180F},   {0x200B, 0x200F}, {0x2028, 0x202E}, {0x2060, 0x206F},
    {0x3164, 0x3164},   {0xFDD0, 0xFDEF},   {0xFEFF, 0xFEFF}, {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFFB},
    {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
};

uint8_t At(absl::string_view text, size_t i) { return static_cast<uint8_t>(text[i]); }

bool ShowsItself(char32_t code_point) {
  if (code_point < 0x7F) return code_point >= 0x20;
  if (code_point == 0x7F || (code_point & 0xFFFE) == 0xFFFE) return false;
  const Span* const span = std::lower_bound(
      std::begin(kHidden), std::end(kHidden), code_point,
      [](const Span& candidate, char32_t wanted) { return candidate.last < wanted; });
  return span == std::end(kHidden) || code_point < span->first;
}

void AppendEscaped(absl::string_view bytes, std::string* out) {
  for (const char byte : bytes) absl::StrAppendFormat(out, "\\x%02x", static_cast<uint8_t>(byte));
}

// What stands behind the backslash in C for a byte that has a letter there, or needs one within
// quotes; 0: none.
char LetterOf(char byte) {
  constexpr absl::string_view kBytes = "\n\r\t\"\\";
  const size_t at = kBytes.find(byte);
  return at == kBytes.npos ? 0 : "nrt\"\\"[at];
}

void AppendPrintable(absl::string_view text, bool quotes, std::string* out) {
  while (!text.empty()) {
    const Character character = FirstCharacter(text);
    const size_t bytes = std::max<size_t>(character.bytes, 1);
    if (const char letter = quotes ? LetterOf(text[0]) : 0; letter != 0) {
      out->push_back('\\');
      out->push_back(letter);
    } else if (character.printable) {
      out->append(text.data(), bytes);
    } else {
      AppendEscaped(text.substr(0, bytes), out);
    }
    text.remove_prefix(bytes);
  }
}

}  // namespace

size_t Utf8Length(absl::string_view text) {
  if (text.empty()) return 0;
  const uint8_t first = At(text, 0);
  if (first < 0x80) return 1;
  // C0 and C1 would be overlong; above F4 is no code point.
  if (first < 0xC2 || first > 0xF4) return 0;
  const size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((At(text, i) & 0xC0) != 0x80) return 0;
  }
  const uint8_t second = At(text, 1);
  if (first == 0xE0 && second < 0xA0) return 0;   // overlong
  if (first == 0xED && second >= 0xA0) return 0;  // a surrogate
  if (first == 0xF0 && second < 0x90) return 0;   // overlong
  if (first == 0xF4 && second >= 0x90) return 0;  // past U+10FFFF
  return length;
}

Character FirstCharacter(absl::string_view text) {
  Character character;
  character.bytes = Utf8Length(text);
  if (character.bytes == 0) return character;
  // The first byte's bits, then six of each other byte: RFC 3629, section 3.
  constexpr uint8_t kFirstBits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
  character.code_point = At(text, 0) & kFirstBits[character.bytes];
  for (size_t i = 1; i < character.bytes; ++i) {
    character.code_point = character.code_point << 6 | (At(text, i) & 0x3F);
  }
  character.printable = ShowsItself(character.code_point);
  return character;
}

std::string Printable(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  AppendPrintable(text, /*quotes=*/false, &out);
  return out;
}

std::string Quoted(absl::string_view text, size_t shown_max) {
  size_t shown = text.size();
  if (shown > shown_max) {
    // A character that is cut is no character any more.
    shown = shown_max;
    while (shown > 0 && shown_max - shown < 3 && (At(text, shown) & 0xC0) == 0x80) --shown;
  }
  std::string out = "\"";
  AppendPrintable(text.substr(0, shown), /*quotes=*/true, &out);
  out.append(shown < text.size() ? "...\"" : "\"");
  return out;
}

}  // namespace objmapper::text
