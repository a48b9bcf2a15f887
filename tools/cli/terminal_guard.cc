// Checks the bytes for a terminal piece by piece; a character may be split between two pieces.
#include "tools/cli/terminal_guard.h"

#include "absl/strings/str_cat.h"
#include "text/printable.h"

namespace objmapper::tools {
namespace {

constexpr size_t kCharacterBytesMax = 4;

absl::Status NoText() {
  return absl::FailedPreconditionError(
      "it is not text, which could confuse the terminal; -o FILE stores it, -o - prints it anyway");
}

bool IsInTexts(char32_t c) {
  // BEL, BS, TAB, LF, VT, FF, CR; ESC.
  return c >= 0x20 ? c != 0x7f : (c >= 0x07 && c <= 0x0d) || c == 0x1b;
}

// Whether `bytes`, which are no whole character, may become one.
bool MayBegin(absl::string_view bytes) {
  if (bytes.size() >= kCharacterBytesMax) return false;
  const auto first = static_cast<unsigned char>(bytes[0]);
  const size_t wanted = first >= 0xf0 && first <= 0xf4  ? 4
                        : first >= 0xe0 && first < 0xf0 ? 3
                        : first >= 0xc2 && first < 0xe0 ? 2
                                                        : 0;
  if (bytes.size() >= wanted) return false;
  for (const char c : bytes.substr(1)) {
    if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) return false;
  }
  return true;
}

}  // namespace

absl::Status TerminalGuard::Check(absl::string_view piece) {
  std::string joined;
  if (!begun_.empty()) {
    joined = absl::StrCat(begun_, piece);
    begun_.clear();
    piece = joined;
  }
  while (!piece.empty()) {
    const text::Character character = text::FirstCharacter(piece);
    if (character.bytes == 0) {
      if (!MayBegin(piece)) return NoText();
      begun_ = std::string(piece);
      return absl::OkStatus();
    }
    if (!IsInTexts(character.code_point)) return NoText();
    piece.remove_prefix(character.bytes);
  }
  return absl::OkStatus();
}

}  // namespace objmapper::tools
