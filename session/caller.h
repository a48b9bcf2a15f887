// Whose a request is, beside what the kernel knows of its connection: the name that its token gives
// it (session/tokens.h). HTTP says a token with each request; V2 says one for all that follow it on
// the connection (AUTH), until the next. What a token means is found out for each request, by the
// tokens that are then in force.
#pragma once

#include "absl/strings/string_view.h"
#include "protocol/http/ask.h"
#include "protocol/http/head.h"
#include "protocol/request.h"
#include "session/access.h"
#include "session/session.h"

namespace objmapper::session {

// Sets ask->caller by what the head says, or refuses with 401 what says something that is not so.
// Without tokens (access: null, or it knows none) the field means nothing.
void Identify(const Access* access, const protocol::http::Head& head, protocol::http::Ask* ask);

// V2: what is asked from here on is asked by whoever has this token; empty: by nobody in
// particular. What the token means nobody is told here: each request is answered by it.
void HearToken(absl::string_view token, Session* session);

// Gives the request its name, or refuses it with PERMISSION_DENIED where the last token that was
// said is nobody's. Without tokens (SessionLimits::access: null, or it knows none) there is nothing
// to say. HTTP: nothing is done.
void Attribute(Session* session, protocol::Request* request);

// The request's name; empty: none. Points into the request.
absl::string_view CallerOf(const protocol::Request& request);

}  // namespace objmapper::session
