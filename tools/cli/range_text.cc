// Parses --range. Numbers are plain digits with at most one unit.
#include "tools/cli/range_text.h"

#include <cstdint>
#include <limits>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace objmapper::tools {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

// "4096", "4K": digits and at most one unit. SimpleAtoi() alone would take signs and spaces.
std::optional<uint64_t> ReadBytes(absl::string_view text) {
  int shift = 0;
  if (!text.empty()) {
    const size_t unit = absl::string_view("KMGT").find(absl::ascii_toupper(text.back()));
    if (unit != absl::string_view::npos) {
      shift = 10 * (static_cast<int>(unit) + 1);
      text.remove_suffix(1);
    }
  }
  if (text.find_first_not_of("0123456789") != text.npos) return std::nullopt;
  uint64_t value;
  if (!absl::SimpleAtoi(text, &value) || value > kMax >> shift) return std::nullopt;
  return value << shift;
}

absl::Status Invalid(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("--range=", text, ": ", why));
}

absl::Status NoNumber(absl::string_view text, absl::string_view where) {
  return Invalid(text,
                 absl::StrCat("expected a number of bytes, or one with K, M, G or T, ", where));
}

}  // namespace

absl::StatusOr<AskedRange> ParseRange(absl::string_view text) {
  const size_t mark = text.find_first_of("-:");
  if (mark == absl::string_view::npos) {
    return Invalid(text, "expected OFF-END, OFF-, OFF:LEN or -LAST, for instance 0-99 or 1M:64K");
  }
  const bool is_dash = text[mark] == '-';
  const std::optional<uint64_t> offset = ReadBytes(text.substr(0, mark));
  const absl::string_view rest = text.substr(mark + 1);
  const std::optional<uint64_t> number = ReadBytes(rest);
  if (mark == 0 && is_dash) {
    if (!number.has_value()) {
      return Invalid(text,
                     "expected the number of the last bytes, a number or one with K, M, G or T, "
                     "after the \"-\"");
    }
    if (*number == 0) return Invalid(text, "the length is 0");
    return AskedRange{std::nullopt, *number};
  }
  if (!offset.has_value()) return NoNumber(text, "at the beginning");
  if (is_dash && rest.empty()) return AskedRange{client::Range{*offset, 0}, std::nullopt};
  if (!number.has_value()) return NoNumber(text, is_dash ? "after the \"-\"" : "after the \":\"");
  uint64_t length = *number;
  if (is_dash) {
    if (*number < *offset) return Invalid(text, "the end is before the start");
    // all that there can be
    if (*number - *offset == kMax) return AskedRange{client::Range{0, 0}, std::nullopt};
    length = *number - *offset + 1;
  }
  // On the wire 0 means "to the end".
  if (length == 0) return Invalid(text, "the length is 0");
  if (length > kMax - *offset) return Invalid(text, "it ends past the largest offset");
  return AskedRange{client::Range{*offset, length}, std::nullopt};
}

}  // namespace objmapper::tools
