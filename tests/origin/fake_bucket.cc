// The document is written by hand, not by what reads it.
#include "tests/origin/fake_bucket.h"

#include <glog/logging.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace objmapper::origin::testing {
namespace {

std::string Encoded(absl::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    encoded += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return encoded;
}

std::string Decoded(absl::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t byte;
    if (text[i] == '%' && absl::SimpleHexAtoi(text.substr(i + 1, 2), &byte)) {
      decoded.push_back(static_cast<char>(byte));
      i += 2;
    } else {
      decoded.push_back(text[i]);
    }
  }
  return decoded;
}

// Fit to stand in XML.
std::string Token(absl::string_view place) { return absl::BytesToHexString(place); }

}  // namespace

NextKey KeysOf(std::set<std::string> keys) {
  return [keys = std::move(keys)](const std::string& after) -> std::optional<std::string> {
    const auto found = keys.upper_bound(after);
    return found == keys.end() ? std::nullopt : std::optional(*found);
  };
}

NextKey ManyKeys(uint64_t count) {
  constexpr absl::string_view kFolder = "many/";
  constexpr size_t kDigits = 7;
  return [=](const std::string& after) -> std::optional<std::string> {
    uint64_t next = 0;
    absl::string_view digits = after;
    if (after > kFolder) {
      if (!absl::ConsumePrefix(&digits, kFolder)) return std::nullopt;
      std::string number(digits.substr(0, kDigits));
      if (number > "9") return std::nullopt;
      // A beginning alone is before all that begin so.
      const bool is_whole = number.size() == kDigits;
      number.resize(kDigits, '0');
      CHECK(absl::SimpleAtoi(number, &next)) << after;
      if (is_whole) ++next;
    }
    if (next >= count) return std::nullopt;
    return absl::StrFormat("%s%07u", kFolder, next);
  };
}

std::string Parameter(absl::string_view target, absl::string_view name) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(target, absl::MaxSplits('?', 1));
  for (const absl::string_view one : absl::StrSplit(parts.second, '&')) {
    const std::pair<absl::string_view, absl::string_view> sides =
        absl::StrSplit(one, absl::MaxSplits('=', 1));
    if (sides.first == name) return Decoded(sides.second);
  }
  return "";
}

std::string FakeBucket::List(absl::string_view target) const {
  const std::string prefix = Parameter(target, "prefix");
  std::string place = absl::HexStringToBytes(Parameter(target, "continuation-token"));
  if (place.empty()) place = Parameter(target, "start-after");
  int left = 0;
  CHECK(absl::SimpleAtoi(Parameter(target, "max-keys"), &left)) << target;
  CHECK_EQ(Parameter(target, "encoding-type"), "url");
  std::string entries;
  bool truncated = false;
  // What is before the prefix need not be gone through.
  std::optional<std::string> key = next_(std::max(place, prefix));
  if (place < prefix && !prefix.empty()) {
    // The prefix itself may be a key.
    std::string just_before = prefix;
    just_before.pop_back();
    key = next_(just_before);
    while (key.has_value() && *key < prefix) key = next_(*key);
  }
  for (; key.has_value() && absl::StartsWith(*key, prefix); key = next_(*key)) {
    if (left-- == 0) {
      truncated = true;
      break;
    }
    absl::StrAppend(&entries, "<Contents><Key>", Encoded(*key), "</Key><LastModified>",
                    "2020-09-13T12:26:40.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>",
                    key->size(), "</Size></Contents>");
    place = *key;
  }
  return absl::StrCat(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult>",
      "<EncodingType>url</EncodingType><IsTruncated>", truncated ? "true" : "false",
      "</IsTruncated>", entries,
      truncated ? absl::StrCat("<NextContinuationToken>", Token(place), "</NextContinuationToken>")
                : "",
      "</ListBucketResult>");
}

}  // namespace objmapper::origin::testing
