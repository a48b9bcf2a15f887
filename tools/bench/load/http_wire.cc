// HTTP/1.1: a GET of a static file.
#include <string.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {
namespace {

constexpr absl::string_view kLineEnd = "\r\n";
constexpr absl::string_view kHeadEnd = "\r\n\r\n";
constexpr absl::string_view kVersion = "HTTP/1.";  // then a digit, a blank and the status
constexpr size_t kStatusAt = 9;

// When `line` is the field `name` (with its colon), its value is left in *value.
bool IsField(absl::string_view line, absl::string_view name, absl::string_view* value) {
  if (!absl::StartsWithIgnoreCase(line, name)) return false;
  *value = absl::StripAsciiWhitespace(line.substr(name.size()));
  return true;
}

class Http : public WireDriver {
 public:
  std::string Request(Ask, absl::string_view name, absl::string_view) const override {
    return absl::StrCat("GET /", name, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }

  Head Next(absl::string_view input, Ask, uint32_t) const override {
    const size_t compared = std::min(input.size(), kVersion.size());
    if (input.substr(0, compared) != kVersion.substr(0, compared)) {
      return BrokenHead("an answer does not begin with HTTP/1.");
    }
    // memmem(3): string_view's find goes byte by byte.
    const void* found = memmem(input.data(), input.size(), kHeadEnd.data(), kHeadEnd.size());
    if (found == nullptr) return Head();
    const size_t bytes = static_cast<const char*>(found) - input.data();
    const absl::string_view lines = input.substr(0, bytes);
    const absl::string_view status_line = lines.substr(0, lines.find(kLineEnd));

    Head head = AnswerHead(bytes + kHeadEnd.size());
    head.ok = absl::StartsWith(status_line.substr(std::min(kStatusAt, status_line.size())), "200");
    if (!head.ok) head.message = status_line;
    bool has_length = false;
    for (const absl::string_view line : absl::StrSplit(lines, kLineEnd)) {
      absl::string_view value;
      if (IsField(line, "content-length:", &value)) {
        has_length = absl::SimpleAtoi(value, &head.body_bytes);
        if (!has_length) return BrokenHead("an answer's Content-Length is not a number");
      } else if (IsField(line, "connection:", &value)) {
        head.last = absl::EqualsIgnoreCase(value, "close");
      } else if (IsField(line, "transfer-encoding:", &value)) {
        return BrokenHead("an answer has a Transfer-Encoding; only Content-Length is read");
      }
    }
    if (!has_length) return BrokenHead("an answer has no Content-Length");
    return head;
  }
};

}  // namespace

std::unique_ptr<WireDriver> MakeHttp() { return std::make_unique<Http>(); }

}  // namespace objmapper::bench
