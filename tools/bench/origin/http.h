// HTTP by libcurl, as far as asking, storing and reading at an origin needs: one request on a
// connection of its own.
//
// All functions are thread-safe and wait; each bounds how long nothing may come (60 s).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/bench/origin/content.h"

namespace objmapper::bench {

struct HttpPlace {
  std::string url;
  std::string socket;  // the path of a Unix socket to connect to in place of the host; may be empty
};

using HttpFields = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  HttpFields fields;
  std::string body;
  // What is sent in place of `body`: a part of this content. nullptr: nothing. Borrowed.
  const Content* content = nullptr;
  uint64_t offset = 0, length = 0;
};

struct HttpAnswer {
  std::string body;
  std::string etag;  // as it came, with its quotes
};

// Errors: UNAVAILABLE with libcurl's reason or with the status and the answer's text (not 2xx).
absl::StatusOr<HttpAnswer> HttpAsk(const HttpPlace& place, const HttpRequest& request);

// GET, piece by piece. `range`: a Range field's value ("bytes=0-9"), or empty. `piece` returns
// false when it has seen enough: then the connection is closed, which is no error. Errors: as
// HttpAsk().
absl::Status HttpRead(const HttpPlace& place, const std::string& range,
                      absl::FunctionRef<bool(absl::string_view piece)> piece);

}  // namespace objmapper::bench
