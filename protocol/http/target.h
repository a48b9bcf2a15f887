// What a request's target names (RFC 9112, 3.2; RFC 3986).
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "protocol/http/head.h"

namespace objmapper::protocol::http {

// A query is at most so long. It says nothing of objects.
inline constexpr size_t kQueryBytesMax = 8 * 1024;

struct Target {
  bool server = false;      // "*": of the server itself, with OPTIONS
  std::string path;         // decoded once, without the first '/'; any bytes but NUL
  absl::string_view query;  // as it came, without its '?'; points into the input
};

// Reads head.target. The absolute form is taken too: then its authority is the host
// (`head->host`). Refuses: 400 what is not sound, 414 what is longer than a URI or a query may be.
Refusal ParseTarget(Head* head, Target* target);

// Decodes each %XX of `encoded` (RFC 3986, 2.1) into `*out`, to any bytes. False: a '%' is not
// followed by two hexadecimal digits; `*out` is what came before it.
bool DecodePercent(absl::string_view encoded, std::string* out);

// `path` as it stands in a target: all but what RFC 3986 calls unreserved, and '/', as %XX.
std::string EncodePath(absl::string_view path);

}  // namespace objmapper::protocol::http
