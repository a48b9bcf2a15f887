// How a fetcher speaks to origins, whichever they are.
#pragma once

#include <cstddef>
#include <string>

#include "absl/time/time.h"
#include "origin/fetch/request.h"
#include "origin/fetch/retry.h"

namespace objmapper::origin::fetch {

struct Options {
  int running_max = 64;         // requests that have a connection at once
  int running_per_origin = 32;  // of those, of one origin (scheme, host and port)
  size_t waiting_max = 4096;    // that wait for one of these or for their next attempt

  Timeouts timeouts;
  RetryOptions retry;
  int redirects_max = 5;                           // of one request
  absl::Duration refresh_max = absl::Seconds(30);  // for Request::refresh

  // A connection that has been idle for longer is not used again: to be less than what origins
  // allow, or the next request may meet one that is being closed. S3 closes after 5 to 20 s. Whole
  // seconds, at least one.
  absl::Duration idle_max = absl::Seconds(4);
  // Of each running request, in user space: what one call of Sink::OnBytes() brings at most. 16 KiB
  // to 512 KiB.
  size_t receive_buffer_bytes = 256 << 10;

  // The proxies for each scheme, "http://host:port" (userinfo is allowed); empty: none.
  std::string http_proxy, https_proxy;
  std::string no_proxy;    // hosts, suffixes and networks without one, by commas (libcurl's syntax)
  std::string ca_file;     // PEM; empty: the system's
  std::string ca_path;     // a folder of them, hashed (openssl-rehash(1ssl)); empty: the system's
  std::string user_agent;  // empty: "objmapper/VERSION"
};

// Adds what the environment says, where `options` says nothing yet: HTTP_PROXY, HTTPS_PROXY,
// ALL_PROXY and NO_PROXY, each in small letters first; AWS_CA_BUNDLE, then SSL_CERT_FILE and
// SSL_CERT_DIR. At start, before there are threads that change the environment.
void AddEnvironment(Options* options);

}  // namespace objmapper::origin::fetch
