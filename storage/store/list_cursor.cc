// Encodes and finds the position of a listing. A cursor always fits, and stays valid when the
// object that it names has been removed.
#include "storage/store/list_cursor.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace objmapper::storage {
namespace {

// Of metadata, less the entry's own three bytes (docs/protocol.md).
constexpr size_t kCursorMax = 1021;
// A URI of the most bytes there can be.
constexpr size_t kUriMax = 4096;

// No URI begins with a slash. What follows a prefix in one may begin with two, where it is an
// origin's, and is then told as kRest or longer.
constexpr absl::string_view kRest = "//=";  // what follows the prefix in the last URI
constexpr absl::string_view kFrom = "//+";  // from here on, this included
// the same, told by a hash: hash, length, byte, beginning
constexpr absl::string_view kHashed = "//#";
constexpr size_t kHashDigits = 32, kLengthDigits = 4;
constexpr size_t kBeginningMax = kCursorMax - kHashed.size() - kHashDigits - kLengthDigits - 1;

// Whether the prefix is so short that a cursor is a whole URI where it can be.
bool TellsWhole(absl::string_view prefix) { return prefix.size() <= kCursorMax; }

std::string HashOf(absl::string_view text) {
  static const uint64_t seed = [] {
    uint64_t random = 0;
    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random)) {
      timespec now;
      clock_gettime(CLOCK_MONOTONIC, &now);
      random = static_cast<uint64_t>(now.tv_nsec) * 0x9E3779B97F4A7C15u;
    }
    return random;
  }();
  const XXH128_hash_t hash = XXH3_128bits_withSeed(text.data(), text.size(), seed);
  return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
}

}  // namespace

std::string CursorBefore(std::string place) {
  if (place.empty()) return place;
  const auto last = static_cast<uint8_t>(place.back());
  if (last == 0) {
    place.pop_back();
    return place;
  }
  place.back() = static_cast<char>(last - 1);
  return place.append(kUriMax, '\xff');  // longer than any URI
}

std::string EncodeCursor(absl::string_view prefix, absl::string_view last, absl::string_view next) {
  const absl::string_view rest = last.substr(prefix.size());
  const absl::string_view plain = TellsWhole(prefix) ? last : rest;
  // The object that the prefix itself names: no URI is between it and this.
  if (plain.empty()) return std::string(1, '\0');
  // What an origin has may go on with two slashes, as what is said otherwise does.
  if (plain.size() <= kCursorMax && !absl::StartsWith(plain, "//")) return std::string(plain);
  if (kRest.size() + rest.size() <= kCursorMax) return absl::StrCat(kRest, rest);
  const auto differs = std::mismatch(last.begin(), last.end(), next.begin(), next.end()).second;
  const auto common = static_cast<size_t>(differs - next.begin());
  const absl::string_view from = next.substr(prefix.size(), common + 1 - prefix.size());
  if (kFrom.size() + from.size() <= kCursorMax) return absl::StrCat(kFrom, from);
  return absl::StrCat(kHashed, HashOf(next.substr(0, common)), absl::StrFormat("%04x", common),
                      next.substr(common, 1), rest.substr(0, kBeginningMax));
}

absl::StatusOr<std::string> DecodeCursor(
    absl::string_view prefix, absl::string_view cursor,
    absl::FunctionRef<absl::StatusOr<ListPage>(const ListQuery& query)> list) {
  if (cursor.empty()) return std::string();
  if (absl::ConsumePrefix(&cursor, kRest)) return absl::StrCat(prefix, cursor);
  const absl::Status alien =
      absl::InvalidArgumentError("list: the bytes after the NUL are not a CURSOR of this server");
  if (absl::ConsumePrefix(&cursor, kFrom)) {
    if (cursor.empty()) return alien;
    return CursorBefore(absl::StrCat(prefix, cursor));
  }
  if (!absl::ConsumePrefix(&cursor, kHashed)) {
    if (absl::StartsWith(cursor, "//")) return alien;
    return TellsWhole(prefix) ? std::string(cursor) : absl::StrCat(prefix, cursor);
  }
  // All of ours have the whole beginning, so that nobody makes us search more than the names that
  // are so much alike.
  if (cursor.size() != kHashDigits + kLengthDigits + 1 + kBeginningMax) return alien;
  const absl::string_view hash = cursor.substr(0, kHashDigits);
  uint32_t common = 0;
  if (!absl::SimpleHexAtoi(cursor.substr(kHashDigits, kLengthDigits), &common)) return alien;
  const absl::string_view byte = cursor.substr(kHashDigits + kLengthDigits, 1);
  ListQuery query;
  query.prefix = absl::StrCat(prefix, cursor.substr(kHashDigits + kLengthDigits + 1));
  while (true) {
    const absl::StatusOr<ListPage> page = list(query);
    if (!page.ok()) return page.status();
    for (const ListEntry& entry : page->entries) {
      const absl::string_view begins = absl::string_view(entry.uri).substr(0, common);
      if (begins.size() == common && HashOf(begins) == hash)
        return CursorBefore(absl::StrCat(begins, byte));
    }
    if (page->cursor.empty()) break;
    query.cursor = page->cursor;
  }
  return absl::UnavailableError(
      "list: the objects at its position were removed, or another server has taken over: start the "
      "list again");
}

}  // namespace objmapper::storage
