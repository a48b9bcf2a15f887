// The one thing that credentials need of HTTP: a request, answered.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "origin/s3/sign.h"

namespace objmapper::origin {

struct HttpRequest {
  std::string method;  // "GET", "PUT", "POST"
  std::string url;
  s3::Fields fields;
  std::string body;
  absl::Duration timeout;  // of all of it
  // Whom it is for is at hand (this machine, its metadata service): no proxy is asked.
  bool direct = false;
};

struct HttpAnswer {
  int status = 0;
  std::string body;  // of at most 64 KiB; what is longer is an error
};

// Sends it, once, follows no redirection, and waits for the answer, of whatever status. Errors:
// there was none; the message has neither fields nor bodies in it, which are secrets. Called by any
// thread that may wait, by several at once.
using HttpCall = std::function<absl::StatusOr<HttpAnswer>(const HttpRequest& request)>;

}  // namespace objmapper::origin
