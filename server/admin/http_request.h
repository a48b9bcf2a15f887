// What a visitor of the operator's door asks: the head of an HTTP/1 request (RFC 9112), read
// strictly, within bounds.
//
//   HttpRequest request;
//   HttpRefusal refusal;
//   switch (ReadHead(input, &consumed, &request, &refusal)) ...
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace objmapper::server {

// Of one head, with its request line and the empty line at its end. A browser sends 1 KB.
inline constexpr size_t kHeadBytesMax = 8192;
inline constexpr size_t kRequestLineBytesMax = 2048;
inline constexpr size_t kHeaderLinesMax = 100;

struct HttpRequest {
  bool head = false;        // HEAD: the answer without its body
  std::string path;         // "/connz"
  std::string query;        // "n=5"
  std::string host;         // as it was sent, with its port; empty: HTTP/1.0 without one
  bool keep_alive = false;  // the connection may be asked again

  // The value of `name` in the query; not decoded, since ours are numbers.
  std::optional<std::string> Parameter(absl::string_view name) const;
};

struct HttpRefusal {
  int status = 400;
  std::string reason;  // a sentence for who reads the answer
};

enum class HeadResult { kNeedMore, kRequest, kRefused };

// Looks at `input`, what has come of a visitor's bytes and is not used up. kRequest: *request is
// set, and the first *consumed bytes are used up. kRefused: *refusal is set; nothing that comes
// behind can be read. GET and HEAD without a body are taken; a body, even one that is announced, is
// refused, and so are targets that name a host of their own.
HeadResult ReadHead(absl::string_view input, size_t* consumed, HttpRequest* request,
                    HttpRefusal* refusal);

// Whether the Host that a request names is among `hosts`, without its port and whatever the case of
// its letters. A browser that a stranger's page leads here by a name of the stranger's (DNS
// rebinding) names that.
bool IsAmongHosts(absl::string_view host, const std::vector<std::string>& hosts);

}  // namespace objmapper::server
