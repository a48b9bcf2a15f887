// HTTP on a session: its requests, as everybody takes them.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "protocol/http/ask.h"
#include "protocol/http/head.h"
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
};

// From now on the session speaks HTTP; it has asked nothing yet.
void BeginHttp(Session* session);

// What is answered from now on is the last: it says so, if the session speaks HTTP.
void AnnounceEnd(Session* session);

// As TakeBurst(), which calls it. A request after which the connection is to end is the last of its
// burst, which ends with kClose.
void TakeHttpBurst(Session* session, absl::string_view input, size_t requests_max, Burst* burst);

}  // namespace objmapper::session
