// HTTP/1.1: GET, HEAD and PUT of static files.
#include <string.h>

#include <utility>

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
constexpr size_t kStatusBytes = 3;

// When `line` is the field `name` (with its colon), its value is left in *value.
bool IsField(absl::string_view line, absl::string_view name, absl::string_view* value) {
  if (!absl::StartsWithIgnoreCase(line, name)) return false;
  *value = absl::StripAsciiWhitespace(line.substr(name.size()));
  return true;
}

// Whether it is the answer that was asked for: an object that was created, or replaced, is stored.
bool IsWanted(Ask ask, absl::string_view status) {
  if (ask == Ask::kRevalidate) return status == "304";
  if (ask == Ask::kPut) return status == "200" || status == "201" || status == "204";
  return status == "200";
}

// RFC 9112, 6.3: these end with their head, whatever length it tells.
bool HasNoBody(Ask ask, absl::string_view status) {
  return ask == Ask::kHead || status == "204" || status == "304";
}

class Http : public WireDriver {
 public:
  explicit Http(std::map<std::string, std::string> tags) : tags_(std::move(tags)) {}

  std::string Request(Ask ask, absl::string_view name, absl::string_view body) const override {
    const absl::string_view method = ask == Ask::kHead ? "HEAD" : ask == Ask::kPut ? "PUT" : "GET";
    std::string fields = "Host: localhost\r\n";
    if (ask == Ask::kPut) absl::StrAppend(&fields, "Content-Length: ", body.size(), kLineEnd);
    const auto tag = tags_.find(std::string(name));
    if (ask == Ask::kRevalidate && tag != tags_.end())
      absl::StrAppend(&fields, "If-None-Match: ", tag->second, kLineEnd);
    return absl::StrCat(method, " /", name, " HTTP/1.1\r\n", fields, kLineEnd, body);
  }

  Head Next(absl::string_view input, Ask ask, uint32_t) const override {
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
    const absl::string_view status =
        status_line.substr(std::min(kStatusAt, status_line.size()), kStatusBytes);

    Head head = AnswerHead(bytes + kHeadEnd.size());
    head.ok = IsWanted(ask, status);
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
    if (HasNoBody(ask, status)) {
      head.body_bytes = 0;
    } else if (!has_length) {
      return BrokenHead("an answer has no Content-Length");
    }
    return head;
  }

 private:
  const std::map<std::string, std::string> tags_;
};

}  // namespace

std::unique_ptr<WireDriver> MakeHttp() { return MakeHttp({}); }
std::unique_ptr<WireDriver> MakeHttp(std::map<std::string, std::string> tags) {
  return std::make_unique<Http>(std::move(tags));
}

}  // namespace objmapper::bench
