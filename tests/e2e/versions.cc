// Objects whose every byte tells the version that it belongs to.
#include "tests/e2e/versions.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace objmapper::e2e {
namespace {

uint64_t Word(uint32_t version, size_t place) {
  return uint64_t{version + 1} << 32 | static_cast<uint32_t>(place);
}

}  // namespace

std::string VersionOf(uint32_t version, size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
    const uint64_t word = Word(version, at / sizeof(word));
    memcpy(out.data() + at, &word, sizeof(word));
  }
  return out;
}

std::optional<uint32_t> OneVersion(absl::string_view body, std::string* problem) {
  uint64_t first = 0;
  memcpy(&first, body.data(), std::min(body.size(), sizeof(first)));
  const uint32_t version = (first >> 32) - 1;
  for (size_t at = 0; at < body.size(); at += sizeof(uint64_t)) {
    const uint64_t expected = Word(version, at / sizeof(expected));
    const size_t bytes = std::min(sizeof(expected), body.size() - at);
    if (memcmp(body.data() + at, &expected, bytes) != 0) {
      uint64_t found = 0;
      memcpy(&found, body.data() + at, bytes);
      *problem = absl::StrCat("a body of ", body.size(), " bytes begins as version ", version,
                              " and has the word ", absl::Hex(found), " at ", at);
      return std::nullopt;
    }
  }
  return version;
}

}  // namespace objmapper::e2e
