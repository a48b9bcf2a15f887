// Parses and checks the head of a request. Anything that is not clearly valid is refused, with the
// status that says why.
#include "server/admin/http_request.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace objmapper::server {
namespace {

// The next line of `*rest`, without its end: CR LF, or the LF that people type. False: it has not
// come whole.
bool TakeLine(absl::string_view* rest, absl::string_view* line) {
  const size_t end = rest->find('\n');
  if (end == rest->npos) return false;
  *line = absl::StripSuffix(rest->substr(0, end), "\r");
  rest->remove_prefix(end + 1);
  return true;
}

// Whether a line has bytes that no honest one has: controls, NUL and a CR that ends no line among
// them.
bool HasControls(absl::string_view line) {
  return std::any_of(line.begin(), line.end(),
                     [](char c) { return (absl::ascii_iscntrl(c) && c != '\t'); });
}

bool IsToken(absl::string_view text) {
  constexpr absl::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return absl::ascii_isalnum(c) || kMarks.find(c) != kMarks.npos;
  });
}

bool ReadRequestLine(absl::string_view line, bool* http_1_1, HttpRequest* request,
                     HttpRefusal* refusal) {
  const auto refuse = [&](int status, absl::string_view reason) {
    *refusal = {status, std::string(reason)};
    return false;
  };
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  if (words.size() != 3 || !IsToken(words[0])) return refuse(400, "this is not an HTTP request");
  if (words[2] != "HTTP/1.1" && words[2] != "HTTP/1.0")
    return refuse(505, "only HTTP/1.1 and HTTP/1.0 are supported");
  *http_1_1 = words[2] == "HTTP/1.1";
  request->head = words[0] == "HEAD";
  if (words[0] != "GET" && !request->head) return refuse(405, "only GET and HEAD are supported");
  // "GET http://elsewhere/" would say another host than Host does.
  if (!absl::StartsWith(words[1], "/"))
    return refuse(400, "the target must be a path of this server, such as /metrics");
  const std::pair<absl::string_view, absl::string_view> target =
      absl::StrSplit(words[1], absl::MaxSplits('?', 1));
  request->path = std::string(target.first);
  request->query = std::string(target.second);
  return true;
}

}  // namespace

std::optional<std::string> HttpRequest::Parameter(absl::string_view name) const {
  for (absl::string_view part : absl::StrSplit(query, '&')) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (pair.first == name) return std::string(pair.second);
  }
  return std::nullopt;
}

HeadResult ReadHead(absl::string_view input, size_t* consumed, HttpRequest* request,
                    HttpRefusal* refusal) {
  *request = {};
  absl::string_view rest = input;
  absl::string_view line;
  const auto refuse = [&](int status, absl::string_view reason) {
    *refusal = {status, std::string(reason)};
    return HeadResult::kRefused;
  };
  const auto line_too_long = [&] {
    return refuse(414,
                  absl::StrCat("a request line has at most ", kRequestLineBytesMax, " bytes here"));
  };
  const auto head_too_long = [&] {
    return refuse(431,
                  absl::StrCat("the head of a request has at most ", kHeadBytesMax, " bytes here"));
  };
  if (!TakeLine(&rest, &line)) {
    // Nobody who speaks something else waits for the rest of a line that never comes.
    if (!input.empty() && input[0] == 0x16)
      return refuse(400, "this is TLS; only plain HTTP is supported");
    if (HasControls(absl::StripSuffix(input, "\r")))
      return refuse(400, "this is not an HTTP request");
    if (input.size() < kRequestLineBytesMax) return HeadResult::kNeedMore;
    return line_too_long();
  }
  if (line.size() > kRequestLineBytesMax) return line_too_long();
  bool http_1_1 = false;
  if (HasControls(line)) return refuse(400, "this is not an HTTP request");
  if (!ReadRequestLine(line, &http_1_1, request, refusal)) return HeadResult::kRefused;
  int hosts = 0;
  bool close = false;
  for (size_t lines = 0;; ++lines) {
    if (!TakeLine(&rest, &line))
      return input.size() < kHeadBytesMax ? HeadResult::kNeedMore : head_too_long();
    if (line.empty()) break;
    if (lines == kHeaderLinesMax) {
      return refuse(431, absl::StrCat("a request has at most ", kHeaderLinesMax, " headers here"));
    }
    const std::pair<absl::string_view, absl::string_view> header =
        absl::StrSplit(line, absl::MaxSplits(':', 1));
    if (HasControls(line) || line.find(':') == line.npos || !IsToken(header.first)) {
      return refuse(400, "a header is not valid");
    }
    const absl::string_view value = absl::StripAsciiWhitespace(header.second);
    if (absl::EqualsIgnoreCase(header.first, "Host")) {
      ++hosts;
      request->host = std::string(value);
    } else if (absl::EqualsIgnoreCase(header.first, "Connection")) {
      for (absl::string_view option : absl::StrSplit(value, ',')) {
        close = close || absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(option), "close");
      }
    } else if (absl::EqualsIgnoreCase(header.first, "Transfer-Encoding") ||
               (absl::EqualsIgnoreCase(header.first, "Content-Length") && value != "0")) {
      return refuse(413, "a request must not have a body");
    }
  }
  if (input.size() - rest.size() > kHeadBytesMax) return head_too_long();
  if (hosts > 1 || (http_1_1 && request->host.empty())) {
    return refuse(400, "a request has one Host header");
  }
  request->keep_alive = http_1_1 && !close;
  *consumed = input.size() - rest.size();
  return HeadResult::kRequest;
}

bool IsAmongHosts(absl::string_view host, const std::vector<std::string>& hosts) {
  // "[::1]:9100", "localhost:9100", "localhost".
  absl::string_view name = host;
  absl::string_view port;
  if (const size_t colon = host.rfind(':');
      colon != host.npos && host.find(']', colon) == host.npos) {
    name = host.substr(0, colon);
    port = host.substr(colon + 1);
  }
  if (!std::all_of(port.begin(), port.end(), absl::ascii_isdigit)) return false;
  if (absl::StartsWith(name, "[") && absl::EndsWith(name, "]"))
    name = name.substr(1, name.size() - 2);
  return std::any_of(hosts.begin(), hosts.end(),
                     [&](const std::string& known) { return absl::EqualsIgnoreCase(name, known); });
}

}  // namespace objmapper::server
