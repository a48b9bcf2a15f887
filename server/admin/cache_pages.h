// What operators are told, and may do, about origins and what is here of them:
//
//   GET  /origins                each origin: its line, its keys, what came of it
//   GET  /cache?uri=...          what is here of each of these objects, and where it came from
//   POST /cache/pin?uri=...      they are not evicted any more
//   POST /cache/unpin?uri=...    they are again
//   POST /cache/evict?uri=...    what is here of them goes; &force=1: of pinned ones too
//
// uri: percent-encoded, as often as there are objects, kUrisMax at most. Answers are JSON,
// {"objects": [...]}, an object for each URI in their order; what failed has an "error", and a
// "status", of which the first is the answer's too. A URI that is no UTF-8 is told as "uri_hex",
// in hexadecimal.
//
// A POST without kChangeHeader (http_request.h) changes nothing and gets 403.
#pragma once

#include <cstddef>
#include <optional>

#include "server/admin/http_request.h"
#include "server/admin/http_server.h"

namespace objmapper::server {

class OriginSide;

// Each may wait for the disk some times.
inline constexpr size_t kUrisMax = 256;

// Whether it is one of the pages above.
bool IsCachePage(const HttpRequest& request);
// What is wrong with the request, whatever there is here: 403, 405; nullopt: nothing. Never waits.
std::optional<HttpAnswer> RefuseCachePage(const HttpRequest& request);
// Makes the page, or the change; may wait for the disk. origins: null: there are none, and the
// answer is 404, or for a change 412.
HttpAnswer CachePage(const HttpRequest& request, OriginSide* origins);

}  // namespace objmapper::server
