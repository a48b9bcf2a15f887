// What of HTTP the operator's door takes.
#include "server/admin/http_request.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "protocol/http/target.h"

namespace objmapper::server {

using protocol::http::Refusal;

std::optional<std::string> HttpRequest::Parameter(absl::string_view name) const {
  for (absl::string_view part : absl::StrSplit(query, '&')) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (pair.first == name) return std::string(pair.second);
  }
  return std::nullopt;
}

std::optional<std::vector<std::string>> HttpRequest::Parameters(absl::string_view name) const {
  std::vector<std::string> values;
  for (absl::string_view part : absl::StrSplit(query, '&')) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (pair.first != name) continue;
    if (!protocol::http::DecodePercent(pair.second, &values.emplace_back())) return std::nullopt;
  }
  return values;
}

Refusal ReadRequest(const protocol::http::Head& head, HttpRequest* request) {
  request->head = head.method == "HEAD";
  request->post = head.method == "POST";
  if (head.method != "GET" && !request->head && !request->post)
    return {405, "only GET, HEAD and POST are supported"};
  if (head.has_body()) return {413, "a request must not have a body"};
  // "GET http://elsewhere/" would say another host than Host does.
  if (!absl::StartsWith(head.target, "/"))
    return {400, "the target must be a path of this server, such as /metrics"};
  const std::pair<absl::string_view, absl::string_view> target =
      absl::StrSplit(head.target, absl::MaxSplits('?', 1));
  request->may_change = !head.Find(kChangeHeader).empty();
  request->path = std::string(target.first);
  request->query = std::string(target.second);
  request->host = std::string(head.host);
  request->keep_alive = head.keep_alive;
  return {};
}

bool IsAmongHosts(absl::string_view host, const std::vector<std::string>& hosts) {
  // "[::1]:9100", "localhost:9100", "localhost".
  const size_t bracket = host.find(']');
  absl::string_view name = host.substr(0, bracket == host.npos ? host.find(':') : bracket);
  absl::ConsumePrefix(&name, "[");
  return std::any_of(hosts.begin(), hosts.end(),
                     [&](const std::string& known) { return absl::EqualsIgnoreCase(name, known); });
}

}  // namespace objmapper::server
