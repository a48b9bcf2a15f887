// From places among URIs to places among keys.
#include "origin/flight/list_keys.h"

#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace objmapper::origin {
namespace {

constexpr size_t kKeyMax = 1024;  // "Creating object key names" in Amazon S3's User Guide
// U+10FFFF: in UTF-8 nothing is greater.
constexpr absl::string_view kLastCharacter = "\xf4\x8f\xbf\xbf";
constexpr uint8_t kLastLead = 0xf4;

// Bytes of the character at the front; 0: it is none (RFC 3629, 4).
size_t CharacterBytes(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > kLastLead || text.size() < length) return 0;
  const uint8_t least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const uint8_t most = lead == 0xed ? 0x9f : lead == kLastLead ? 0x8f : 0xbf;
  if (byte(1) < least || byte(1) > most) return 0;
  for (size_t i = 2; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  return length;
}

// What stands before the URIs of an origin's objects, and before their keys.
std::string UriBase(const Origin& origin) {
  return origin.prefix.empty() ? "" : absl::StrCat(origin.prefix, "/");
}
std::string KeyBase(const Origin& origin) {
  return origin.key_prefix.empty() ? "" : absl::StrCat(origin.key_prefix, "/");
}

}  // namespace

std::string StartAfter(absl::string_view place, size_t bytes_max) {
  if (place.empty()) return "";
  std::string before(place);
  if (before.back() == '\0') {
    before.pop_back();
  } else {
    before.back() = static_cast<char>(static_cast<uint8_t>(before.back()) - 1);
    before.push_back('\xff');  // as good as all that begins so
  }
  std::string sent;
  for (absl::string_view rest = before; !rest.empty();) {
    size_t bytes = CharacterBytes(rest);
    const bool is_behind_all = bytes == 0 && static_cast<uint8_t>(rest[0]) > kLastLead;
    const absl::string_view character = is_behind_all ? kLastCharacter : rest.substr(0, bytes);
    if (character.empty() || sent.size() + character.size() > bytes_max) break;
    absl::StrAppend(&sent, character);
    if (is_behind_all) break;
    rest.remove_prefix(bytes);
  }
  return sent;
}

std::optional<KeyRange> KeysFrom(const Origin& origin, absl::string_view prefix,
                                 absl::string_view from) {
  if (from < prefix) from = prefix;
  if (from == origin.prefix && !origin.prefix.empty()) {
    // The one object whose URI the line's own prefix is.
    if (prefix.size() > from.size() || origin.key_prefix.empty()) return std::nullopt;
    return KeyRange{.prefix = origin.key_prefix, .start_after = "", .one = true};
  }
  const std::string uri_base = UriBase(origin), key_base = KeyBase(origin);
  KeyRange range;
  range.prefix = key_base;
  absl::string_view rest = prefix;
  if (absl::ConsumePrefix(&rest, uri_base)) {
    absl::StrAppend(&range.prefix, rest);
  } else if (!absl::StartsWith(uri_base, prefix)) {
    return std::nullopt;
  }
  if (range.prefix.size() > kKeyMax) return std::nullopt;
  rest = from;
  if (absl::ConsumePrefix(&rest, uri_base)) {
    const std::string after = StartAfter(rest, kKeyMax - key_base.size());
    // Else the prefix says so already.
    if (!after.empty() && key_base + after > range.prefix) range.start_after = key_base + after;
  }
  return range;
}

std::string PlaceOf(const Origin& origin, absl::string_view key) {
  if (!absl::ConsumePrefix(&key, KeyBase(origin))) return origin.prefix;
  return absl::StrCat(UriBase(origin), key);
}

}  // namespace objmapper::origin
