// Line by line: the end is looked for first, so a head is parsed once, when it is whole.
#include "protocol/http/head.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace objmapper::protocol::http {
namespace {

constexpr Refusal kNoRefusal;

Refusal BadRequest(const char* reason) { return {400, reason}; }

// Which bytes a token is of (RFC 9110, 5.6.2), and which a field's value (5.5: what is printable,
// blanks, tabs, and bytes beyond ASCII).
struct Tables {
  std::array<bool, 256> token{};
  std::array<bool, 256> value{};
};
constexpr Tables kTables = [] {
  Tables tables;
  for (int c = 0; c < 256; ++c) {
    const bool alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    tables.token[static_cast<size_t>(c)] = alphanumeric;
    tables.value[static_cast<size_t>(c)] = (c >= ' ' && c != 0x7F) || c == '\t';
  }
  for (const char c : {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'})
    tables.token[static_cast<size_t>(c)] = true;
  return tables;
}();

bool IsAllOf(const std::array<bool, 256>& table, absl::string_view bytes) {
  for (const char c : bytes) {
    if (!table[static_cast<uint8_t>(c)]) return false;
  }
  return true;
}

bool IsHexDigit(char c) { return absl::ascii_isxdigit(static_cast<uint8_t>(c)); }

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

// Up to the next CRLF, which is there.
absl::string_view TakeLine(absl::string_view* lines) {
  const size_t newline = lines->find('\n');  // before which there is a CR
  const absl::string_view line = lines->substr(0, newline - 1);
  lines->remove_prefix(newline + 1);
  return line;
}

Refusal ParseVersion(absl::string_view version, Head* head) {
  const bool sound = version.size() == 8 && version.substr(0, 5) == "HTTP/" && version[5] >= '0' &&
                     version[5] <= '9' && version[6] == '.' && version[7] >= '0' &&
                     version[7] <= '9';
  if (!sound) return BadRequest("the request line does not end with a version of HTTP");
  if (version[5] != '1') return {505, "this server speaks HTTP/1.1"};
  head->minor = version[7] == '0' ? 0 : 1;
  head->keep_alive = head->minor == 1;
  return kNoRefusal;
}

Refusal ParseRequestLine(absl::string_view line, Head* head) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == absl::string_view::npos || first == last)
    return BadRequest("the request line is not a method, a target and a version of HTTP");
  head->method = line.substr(0, first);
  head->target = line.substr(first + 1, last - first - 1);
  if (!IsToken(head->method)) return BadRequest("the method is no token");
  for (const char c : head->target) {
    if (static_cast<uint8_t>(c) <= ' ' || c == 0x7F || c == '#')
      return BadRequest("the target has a blank, a control character or a '#' in it");
  }
  if (head->target.empty()) return BadRequest("the target is empty");
  return ParseVersion(line.substr(last + 1), head);
}

Refusal ParseField(absl::string_view line, Head* head) {
  if (IsBlank(line[0])) return BadRequest("a line of the head begins with a blank");
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos) return BadRequest("a line of the head has no colon");
  const Field field{line.substr(0, colon), WithoutBlanks(line.substr(colon + 1))};
  if (!IsToken(field.name)) return BadRequest("a field's name is no token");
  if (!IsAllOf(kTables.value, field.value))
    return BadRequest("a field's value has a control character in it");
  if (head->fields.size() == kFieldsMax) return {431, "the head has more than 100 fields"};
  head->fields.push_back(field);
  return kNoRefusal;
}

Refusal ReadLength(absl::string_view value, Head* head) {
  if (head->content_length.has_value()) return BadRequest("there is more than one Content-Length");
  uint64_t length = 0;
  for (const char c : value) {
    if (c < '0' || c > '9') return BadRequest("the Content-Length is no decimal number");
    const uint64_t digit = static_cast<uint64_t>(c - '0');
    if (length > (uint64_t{INT64_MAX} - digit) / 10)
      return BadRequest("the Content-Length is above 2^63");
    length = 10 * length + digit;
  }
  if (value.empty()) return BadRequest("the Content-Length is empty");
  head->content_length = length;
  return kNoRefusal;
}

// Who knows of no coding but one knows no end of a body but its own. Empty elements, which a list
// may have (RFC 9110, 5.6.1), are none that anybody sends but to be read in two ways.
Refusal ReadCodings(Head* head) {
  size_t codings = 0, chunked = 0;
  bool last_is_chunked = false;
  if (head->minor == 0) return BadRequest("HTTP/1.0 has no Transfer-Encoding");
  for (const Field& field : head->fields) {
    if (!IsNamed(field.name, "transfer-encoding")) continue;
    for (const absl::string_view element : absl::StrSplit(field.value, ',')) {
      const absl::string_view coding = WithoutBlanks(element);
      if (coding.empty()) return BadRequest("the Transfer-Encoding has an empty element");
      ++codings;
      last_is_chunked = absl::EqualsIgnoreCase(coding, "chunked");
      if (last_is_chunked) ++chunked;
    }
  }
  if (chunked > 1 || (chunked == 1 && !last_is_chunked))
    return BadRequest("the Transfer-Encoding does not end with its only \"chunked\"");
  if (codings > 1 || chunked == 0)
    return {501, "of transfer codings this server knows \"chunked\", alone"};
  head->chunked = true;
  return kNoRefusal;
}

// What the fields mean for the connection and for the body.
Refusal ReadFraming(Head* head) {
  size_t hosts = 0;
  bool encoded = false;
  for (const Field& field : head->fields) {
    Refusal refusal;
    if (IsNamed(field.name, "host")) {
      ++hosts;
      head->host = field.value;
    } else if (IsNamed(field.name, "content-length")) {
      refusal = ReadLength(field.value, head);
    } else if (IsNamed(field.name, "transfer-encoding")) {
      encoded = true;
    } else if (IsNamed(field.name, "expect") && head->minor == 1) {
      if (!absl::EqualsIgnoreCase(field.value, "100-continue"))
        refusal = {417, "the only expectation that is met is 100-continue"};
      head->expects_continue = true;
    }
    if (refusal.status != 0) return refusal;
  }
  if (hosts > 1) return BadRequest("there is more than one Host");
  if (hosts == 0 && head->minor == 1) return BadRequest("there is no Host");
  if (!IsHost(head->host)) return BadRequest("the Host is none");
  if (encoded && head->content_length.has_value())
    return BadRequest("there is a Content-Length beside a Transfer-Encoding");
  if (encoded) {
    if (const Refusal refusal = ReadCodings(head); refusal.status != 0) return refusal;
  }
  ForEachElement(*head, "connection", [head](absl::string_view option) {
    if (absl::EqualsIgnoreCase(option, "keep-alive") && head->minor == 0) head->keep_alive = true;
  });
  ForEachElement(*head, "connection", [head](absl::string_view option) {
    if (absl::EqualsIgnoreCase(option, "close")) head->keep_alive = false;
  });
  return kNoRefusal;
}

Refusal ParseHead(absl::string_view lines, Head* head) {
  Refusal refusal = ParseRequestLine(TakeLine(&lines), head);
  while (refusal.status == 0 && !lines.empty()) refusal = ParseField(TakeLine(&lines), head);
  return refusal.status != 0 ? refusal : ReadFraming(head);
}

// What is no HTTP/1.1, but may come to a port that speaks it.
const char* ReasonOfStranger(absl::string_view input) {
  if (input[0] == 0x16) return "this is TLS, but this socket speaks HTTP unencrypted";
  if (absl::StartsWith(input, "PROXY ") || absl::StartsWith(input, "\r\n\r\n"))
    return "this is the PROXY protocol, or an empty request; neither is taken here";
  if (absl::StartsWith(input, "PRI * HTTP/2.0\r\n"))
    return "this is HTTP/2; HTTP/1.1 is spoken here";
  return nullptr;
}

}  // namespace

bool IsHost(absl::string_view host) {
  if (host.empty()) return true;
  const size_t bracket = host.rfind(']');
  const size_t colon = host.find(':', bracket == absl::string_view::npos ? 0 : bracket);
  if (colon != absl::string_view::npos) {
    for (const char c : host.substr(colon + 1)) {
      if (c < '0' || c > '9') return false;
    }
    host = host.substr(0, colon);
  }
  if (host.empty()) return false;  // a port of nothing
  if (host[0] == '[') {
    if (host.size() < 3 || host.back() != ']') return false;
    in6_addr address;
    const std::string inside(host.substr(1, host.size() - 2));
    return inet_pton(AF_INET6, inside.c_str(), &address) == 1;
  }
  for (size_t i = 0; i < host.size(); ++i) {
    const char c = host[i];
    if (c == '%') {
      if (i + 2 >= host.size() || !IsHexDigit(host[i + 1]) || !IsHexDigit(host[i + 2]))
        return false;
    } else if (!absl::ascii_isalnum(static_cast<uint8_t>(c)) &&
               absl::string_view("-._~!$&'()*+,;=").find(c) == absl::string_view::npos) {
      return false;
    }
  }
  return true;
}

bool IsToken(absl::string_view bytes) { return !bytes.empty() && IsAllOf(kTables.token, bytes); }

void Head::Clear() {
  method = target = host = {};
  minor = 1;
  fields.clear();
  chunked = expects_continue = false;
  content_length.reset();
  keep_alive = true;
}

absl::string_view Head::Find(absl::string_view name) const {
  for (const Field& field : fields) {
    if (IsNamed(field.name, name)) return field.value;
  }
  return {};
}

absl::string_view Head::FindOnly(absl::string_view name) const {
  absl::string_view value;
  bool found = false;
  for (const Field& field : fields) {
    if (!IsNamed(field.name, name)) continue;
    if (found) return {};
    found = true;
    value = field.value;
  }
  return value;
}

absl::string_view WithoutBlanks(absl::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

absl::string_view TakeElement(absl::string_view* list) {
  const size_t comma = std::min(list->find(','), list->size());
  const absl::string_view element = list->substr(0, comma);
  list->remove_prefix(std::min(comma + 1, list->size()));
  return WithoutBlanks(element);
}

HeadReader::Result HeadReader::Read(absl::string_view input, Head* head) {
  const char* const stranger = input.empty() ? nullptr : ReasonOfStranger(input);
  if (stranger != nullptr) return {0, BadRequest(stranger)};
  const size_t begin = absl::StartsWith(input, "\r\n") ? 2 : 0;  // RFC 9112, 2.2
  if (line_at_ == 0) line_at_ = scanned_ = begin;
  const absl::string_view allowed = input.substr(0, kHeadBytesMax);
  while (scanned_ < allowed.size()) {
    const size_t newline = allowed.find('\n', scanned_);
    if (newline == absl::string_view::npos) {
      scanned_ = allowed.size();
      break;
    }
    if (newline == line_at_ || allowed[newline - 1] != '\r')
      return {0, BadRequest("a line ends with LF alone")};
    if (newline - 1 == line_at_) {  // the empty line that ends the head, or
      if (line_at_ == begin) return {0, BadRequest("the request line is empty")};
      const size_t end = newline + 1;
      head->Clear();
      Result result{end, ParseHead(allowed.substr(begin, line_at_ - begin), head)};
      line_at_ = scanned_ = 0;
      return result;
    }
    line_at_ = scanned_ = newline + 1;
  }
  if (input.size() < kHeadBytesMax) return {};
  if (line_at_ == begin) return {0, {414, "the request line is longer than 32 KiB"}};
  return {0, {431, "the head is longer than 32 KiB"}};
}

}  // namespace objmapper::protocol::http
