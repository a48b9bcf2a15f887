// What a visitor of the operator's door asks. The head is read as the listeners' are
// (protocol/http/head.h): strictly, within bounds.
//
//   HttpRequest request;
//   const protocol::http::Refusal refusal = ReadRequest(head, &request);
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "protocol/http/head.h"

namespace objmapper::server {

// The header without which a POST changes nothing. A browser sends it along with a request that
// another site's page makes only if this server has agreed to that (Fetch Standard, "CORS-preflight
// request"), which it never does; a form cannot send it at all.
inline constexpr absl::string_view kChangeHeader = "Objmapper-Change";

struct HttpRequest {
  bool head = false;        // HEAD: the answer without its body
  bool post = false;        // POST; else GET
  bool may_change = false;  // it has a kChangeHeader
  std::string path;         // "/connz"
  std::string query;        // "n=5"
  std::string host;         // as it was sent, with its port; empty: HTTP/1.0 without one
  bool keep_alive = false;  // the connection may be asked again

  // The value of `name` in the query, the first one; not decoded, for numbers.
  std::optional<std::string> Parameter(absl::string_view name) const;
  // All values of `name`, in order, decoded: %XX is a byte, all else is itself ('+', too). nullopt:
  // a '%' is not followed by two hexadecimal digits.
  std::optional<std::vector<std::string>> Parameters(absl::string_view name) const;
};

// GET, HEAD and POST without a body are taken; a body, even one that is announced, is refused, and
// so are targets that name a host of their own.
protocol::http::Refusal ReadRequest(const protocol::http::Head& head, HttpRequest* request);

// Whether the Host that a request names is among `hosts`, without its port and whatever the case of
// its letters. A browser that a stranger's page leads here by a name of the stranger's (DNS
// rebinding) names that. host: as a head's reader has found it sound.
bool IsAmongHosts(absl::string_view host, const std::vector<std::string>& hosts);

}  // namespace objmapper::server
