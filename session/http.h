// HTTP on a session: its requests, as everybody takes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "protocol/http/ask.h"
#include "protocol/http/head.h"
#include "session/body.h"
#include "session/intake.h"

namespace objmapper::session {

// What a session that speaks HTTP keeps between two requests.
struct Http {
  protocol::http::HeadReader heads;
  // Shared with the requests that are not answered yet.
  std::shared_ptr<protocol::http::Persistence> connection =
      std::make_shared<protocol::http::Persistence>();
  // A TCP connection whose local address is loopback: a browser's page can reach it under any name
  // that its author gives 127.0.0.1 (DNS rebinding), so hosts are looked at.
  bool judges_hosts = false;
  // The request that was taken last is the last that will be.
  bool over = false;
  // The body of the request that was taken last does not come to its end.
  bool cut = false;
  // What is left of the body of a request that has been refused, and how many bytes more are
  // dropped for it: short ones, so that the connection can go on.
  std::optional<BodyReader> dropped;
  uint64_t drop_max = 0;
  uint64_t taken = 0;  // requests, as --requests_per_conn counts
};

// From now on the session speaks HTTP; it has asked nothing yet.
void BeginHttp(Session* session);

// What is answered from now on is the last: it says so, if the session speaks HTTP.
void AnnounceEnd(Session* session);

// The same, and it is: nothing more is taken (HTTP's sessions alone).
void EndAfterAnswer(Session* session);
// Whether the connection ends once nothing is owed: EndAfterAnswer() has been called, or a request
// was taken that says so.
bool IsOver(const Session& session);

// What is left of a body that nobody takes is dropped as it comes; or the connection ends with the
// answer, where that may be much, or does not come (expected: its sender waits to be told).
void DropBody(Session* session, const BodyReader& body, bool expected);
// Whether some of such a body is to come.
bool DropsBody(const Session& session);
// Whether a body has been waited for in vain (CutBody()).
bool LacksBody(const Session& session);

// As TakeBurst(), which calls it. A request after which the connection is to end is the last of its
// burst, which ends with kClose; where it is an operation, the next one does.
void TakeHttpBurst(Session* session, absl::string_view input, size_t requests_max, Burst* burst);

}  // namespace objmapper::session
