// The log of HTTP's answers: a line for each, in the format that tools know, or as JSON.
//
//   192.0.2.7 - - [30/Nov/2026:12:00:00 +0000] "GET /a HTTP/1.1" 200 1000 "-" "curl/7.88.1"
//
// Of a connection over a Unix socket the host is "unix:", and the user who its peer is: "uid=1000";
// of a request with a token it is the token's name. Source: Apache's and nginx's "combined" format;
// what is no printable ASCII, a quote or a backslash is \xHH.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/http/ask.h"
#include "session/session.h"
#include "session/tally.h"

namespace objmapper::session {

// Where the lines go. Any thread; never waits.
class AccessLog {
 public:
  enum class Format : uint8_t { kCombined, kJson };

  explicit AccessLog(Format format) : format_(format) {}
  virtual ~AccessLog() = default;
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  Format format() const { return format_; }
  // line: with its newline.
  virtual void Write(std::string line) = 0;
  // Lines that were dropped since the start.
  virtual uint64_t dropped() const = 0;

 private:
  const Format format_;
};

// took_ns: from its last byte received to its answer's last byte given to the kernel. now_s: the
// wall clock.
std::string AccessLine(AccessLog::Format format, const Session& session, const Receipt& receipt,
                       const protocol::http::Logged& logged, int64_t took_ns, int64_t now_s);

}  // namespace objmapper::session
