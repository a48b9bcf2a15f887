// Extensions and trailers are dropped, but have to be what they are by the grammar: who reads them
// in another way finds another end.
#include "protocol/http/chunked.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "protocol/http/head.h"

namespace objmapper::protocol::http {
namespace {

constexpr size_t kSizeDigitsMax = 16;
// A line of a size with its extensions, or of a trailer; and all of them in a body, beyond the
// sizes.
constexpr size_t kLineBytesMax = 4096;
constexpr size_t kExtraBytesMax = 64 * 1024;

bool IsControl(char c) { return (static_cast<uint8_t>(c) < ' ' && c != '\t') || c == 0x7F; }

// Takes a token, maybe an empty one, off the front of `text`.
absl::string_view TakeToken(absl::string_view* text) {
  size_t bytes = 0;
  while (bytes < text->size() && IsToken(text->substr(bytes, 1))) ++bytes;
  const absl::string_view token = text->substr(0, bytes);
  text->remove_prefix(bytes);
  return token;
}

// The same of a string in quotes; false: it does not end.
bool TakeQuoted(absl::string_view* text) {
  for (size_t i = 1; i < text->size(); ++i) {
    if ((*text)[i] == '\\') {
      ++i;
    } else if ((*text)[i] == '"') {
      text->remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

// Whether `text`, all that stands behind a size, is extensions (RFC 9112, 7.1.1): ";name",
// ";name=value", or several; blanks around '=' and behind ';' may be.
bool AreExtensions(absl::string_view text) {
  while (!text.empty()) {
    if (text[0] != ';') return false;
    text = WithoutBlanks(text.substr(1));
    if (TakeToken(&text).empty()) return false;
    text = WithoutBlanks(text);
    if (text.empty() || text[0] != '=') continue;
    text = WithoutBlanks(text.substr(1));
    if (text.empty() || (text[0] == '"' ? !TakeQuoted(&text) : TakeToken(&text).empty()))
      return false;
    text = WithoutBlanks(text);
  }
  return true;
}

}  // namespace

ChunkReader::Result ChunkReader::Next(absl::string_view input) {
  Result result;
  const auto broken = [&result](const char* reason) {
    result.kind = Kind::kBroken;
    result.reason = reason;
    return result;
  };
  while (true) {
    absl::string_view rest = input.substr(result.consumed);
    if (state_ == State::kData) {
      if (rest.empty()) return result;
      result.data = rest.substr(0, static_cast<size_t>(std::min<uint64_t>(left_, rest.size())));
      left_ -= result.data.size();
      if (left_ == 0) state_ = State::kDataEnd;
      result.consumed += result.data.size();
      result.kind = Kind::kData;
      return result;
    }
    if (state_ == State::kDataEnd) {
      if (rest.substr(0, 2) !=
          absl::string_view("\r\n").substr(0, std::min<size_t>(2, rest.size())))
        return broken("a chunk is not followed by CRLF");
      if (rest.size() < 2) return result;
      result.consumed += 2;
      state_ = State::kSize;
      continue;
    }
    // A line: of a size, or of a trailer.
    const size_t newline = rest.find('\n');
    const size_t line_bytes = std::min(newline, rest.size());
    if (line_bytes > kLineBytesMax) return broken("a line between chunks is longer than 4 KiB");
    if (newline == absl::string_view::npos) return result;
    if (newline == 0 || rest[newline - 1] != '\r')
      return broken("a line between chunks ends with LF alone");
    const absl::string_view line = rest.substr(0, newline - 1);
    if (std::any_of(line.begin(), line.end(), IsControl))
      return broken("a line between chunks has a control character in it");
    result.consumed += newline + 1;
    if (state_ == State::kTrailers) {
      if (line.empty()) {
        result.kind = Kind::kEnd;
        return result;
      }
      const size_t colon = line.find(':');
      if (colon == absl::string_view::npos || !IsToken(line.substr(0, colon)))
        return broken("a trailer is no field");
      extra_bytes_ += line.size();
    } else {
      size_t digits = 0;
      uint64_t size = 0;
      while (digits < line.size() && absl::ascii_isxdigit(static_cast<uint8_t>(line[digits]))) {
        if (digits == kSizeDigitsMax) return broken("a chunk's size has more than 16 digits");
        const char c = line[digits++];
        size = 16 * size + static_cast<uint64_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
      }
      if (digits == 0 || (digits < line.size() && line[digits] != ';'))
        return broken("a chunk's size is no hexadecimal number");
      if (!AreExtensions(line.substr(digits)))
        return broken("a chunk's extension is no name and value");
      extra_bytes_ += line.size() - digits;
      left_ = size;
      state_ = size == 0 ? State::kTrailers : State::kData;
    }
    if (extra_bytes_ > kExtraBytesMax)
      return broken("chunk extensions and trailers are longer than 64 KiB");
  }
}

void AppendChunk(absl::string_view data, std::string* out) {
  if (data.empty()) return;
  absl::StrAppend(out, absl::Hex(data.size()), "\r\n", data, "\r\n");
}

}  // namespace objmapper::protocol::http
