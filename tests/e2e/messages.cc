// Encoding and decoding of the wire, written from docs/protocol.md and not from the server's code.
#include "tests/e2e/messages.h"

#include <cstdio>

#include "absl/strings/str_cat.h"

namespace objmapper::e2e {
namespace {

// The low `bytes` bytes of `value`, the most significant first.
std::string Integer(uint64_t value, int bytes) {
  std::string out;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
  return out;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, Status status) {
  char text[16];
  snprintf(text, sizeof(text), "status 0x%02x", static_cast<unsigned>(status));
  return out << text;
}

std::string V1Request(char mode, absl::string_view uri) {
  return absl::StrCat(absl::string_view(&mode, 1), Integer(uri.size(), 2), uri);
}

std::string Hello(uint16_t capabilities, uint16_t max_pipeline) {
  return absl::StrCat("OBJM\x02", Integer(capabilities, 2), Integer(max_pipeline, 2));
}

std::string V2Request(uint32_t id, const Question& question) {
  std::string out = absl::StrCat("\x01", Integer(id, 4), Integer(question.flags, 1));
  out.push_back(question.mode);
  out += Integer(question.uri.size(), 2);
  if ((question.flags & kWithRange) != 0) {
    out += Integer(question.offset, 8);
    out += Integer(question.length, 8);
  }
  if (question.mode == kPut) out += Integer(question.body.size(), 8);
  // Without CONDITIONS the flag is one of those that store alone; in other requests it is an
  // unknown one, and nothing belongs to it.
  const bool stores = question.mode == kPut || question.mode == kPutFd;
  const bool with_metadata =
      (stores || !question.metadata.empty()) && (question.flags & kWithMetadata) != 0;
  if (with_metadata) out += Integer(question.metadata.size(), 2);
  out += question.uri;
  if (with_metadata) out += question.metadata;
  if (question.mode == kPut) out += question.body;
  return out;
}

std::string Close(uint8_t reason) { return absl::StrCat("\x03", Integer(reason, 1)); }

std::string Auth(absl::string_view token) {
  return absl::StrCat("\x05", Integer(token.size(), 2), token);
}

std::string Entry(uint8_t type, absl::string_view data) {
  return absl::StrCat(Integer(type, 1), Integer(data.size(), 2), data);
}

std::string TimeToLive(uint32_t seconds) { return Entry(kTtlEntry, Integer(seconds, 4)); }

uint64_t BigEndian(absl::string_view bytes) {
  uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<uint8_t>(byte);
  return value;
}

std::optional<Metadata> ParseMetadata(absl::string_view bytes) {
  Metadata entries;
  while (!bytes.empty()) {
    if (bytes.size() < 3) return std::nullopt;
    const uint8_t type = static_cast<uint8_t>(bytes[0]);
    const size_t length = BigEndian(bytes.substr(1, 2));
    bytes.remove_prefix(3);
    if (bytes.size() < length) return std::nullopt;
    if (!entries.emplace(type, std::string(bytes.substr(0, length))).second) return std::nullopt;
    bytes.remove_prefix(length);
  }
  return entries;
}

bool IsUtf8(absl::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const uint8_t lead = static_cast<uint8_t>(text[i]);
    // Length by lead byte and the smallest code point that needs it (RFC 3629: no longer forms).
    const size_t length = lead < 0x80       ? 1
                          : lead >> 5 == 6  ? 2
                          : lead >> 4 == 14 ? 3
                          : lead >> 3 == 30 ? 4
                                            : 0;
    if (length == 0 || i + length > text.size()) return false;
    uint32_t code = length == 1 ? lead : lead & (0xFF >> (length + 1));
    for (size_t k = 1; k < length; ++k) {
      const uint8_t next = static_cast<uint8_t>(text[i + k]);
      if (next >> 6 != 2) return false;
      code = code << 6 | (next & 0x3F);
    }
    constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < kSmallest[length] || code > 0x10FFFF) return false;
    if (code >= 0xD800 && code <= 0xDFFF) return false;  // surrogates
    i += length;
  }
  return true;
}

}  // namespace objmapper::e2e
