// Header lines. libcurl has seen to framing (Content-Length, Transfer-Encoding); here is what it
// leaves to its caller.
#include "origin/fetch/response.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "text/printable.h"

namespace objmapper::origin::fetch {
namespace {

// More than any origin sends, less than what would hurt.
constexpr size_t kHeadBytesMax = 128 << 10;

// A header's line, with its value's end.
bool ParseNumber(absl::string_view text, uint64_t* number) {
  // SimpleAtoi takes blanks and signs.
  return !text.empty() && absl::ascii_isdigit(text[0]) && absl::SimpleAtoi(text, number);
}

}  // namespace

bool ParseContentRange(absl::string_view value, std::optional<ByteRange>* range,
                       std::optional<uint64_t>* object_bytes) {
  value = absl::StripAsciiWhitespace(value);
  const size_t slash = value.find('/');
  if (slash == value.npos || !absl::StartsWithIgnoreCase(value, "bytes ")) return false;
  const absl::string_view part = absl::StripAsciiWhitespace(value.substr(6, slash - 6));
  const absl::string_view whole = absl::StripAsciiWhitespace(value.substr(slash + 1));
  std::optional<uint64_t> bytes;
  if (whole != "*") {
    uint64_t number;
    if (!ParseNumber(whole, &number)) return false;
    bytes = number;
  }
  std::optional<ByteRange> parsed;
  if (part != "*") {
    const size_t dash = part.find('-');
    ByteRange read;
    if (dash == part.npos || !ParseNumber(part.substr(0, dash), &read.first) ||
        !ParseNumber(part.substr(dash + 1), &read.last) || read.last < read.first ||
        (bytes.has_value() && read.last >= *bytes)) {
      return false;
    }
    parsed = read;
  } else if (!bytes.has_value()) {
    return false;
  }
  *range = parsed;
  *object_bytes = bytes;
  return true;
}

HeadReader::State HeadReader::Bad(std::string why) {
  why_ = std::move(why);
  return state_ = State::kBad;
}

HeadReader::State HeadReader::Take(absl::string_view line) {
  if (state_ != State::kReading) return state_;
  bytes_ += line.size();
  if (bytes_ > kHeadBytesMax) return Bad("a head of more than 128 KiB");
  line = absl::StripTrailingAsciiWhitespace(line);
  if (absl::StartsWithIgnoreCase(line, "HTTP/")) {
    const size_t blank = line.find(' ');
    int status = 0;
    if (blank == line.npos || !absl::SimpleAtoi(line.substr(blank + 1, 3), &status) ||
        status < 100 || status > 599) {
      return Bad(absl::StrCat("a status line that is none: ", text::Quoted(line, 80)));
    }
    head_ = Head();
    head_.status = status;
    return state_;
  }
  if (line.empty()) return head_.status < 200 ? state_ : Finish();
  const size_t colon = line.find(':');
  if (colon == line.npos) return state_;  // libcurl lets such pass, and so do browsers
  head_.headers.push_back({absl::AsciiStrToLower(line.substr(0, colon)),
                           std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)))});
  return state_;
}

HeadReader::State HeadReader::Finish() {
  head_.etag = std::string(head_.Find("etag"));
  uint64_t length;
  if (ParseNumber(head_.Find("content-length"), &length)) head_.content_length = length;
  const absl::string_view range = head_.Find("content-range");
  if (head_.status == 206 || head_.status == 416) {
    if (!range.empty() && !ParseContentRange(range, &range_, &head_.object_bytes)) {
      if (head_.status == 206) {
        return Bad(absl::StrCat("a Content-Range that is none: ", text::Quoted(range, 80)));
      }
    }
    if (range_.has_value()) head_.first = range_->first;
  } else {
    head_.object_bytes = head_.content_length;
  }
  return state_ = State::kWhole;
}

}  // namespace objmapper::origin::fetch
