// Whose an HTTP request is, beside what the kernel knows of its connection: the name that its token
// gives it (session/tokens.h). Each request's own: the next on the connection may be another's.
#pragma once

#include "absl/strings/string_view.h"
#include "protocol/http/ask.h"
#include "protocol/http/head.h"
#include "protocol/request.h"
#include "session/access.h"

namespace objmapper::session {

// Sets ask->caller by what the head says, or refuses with 401 what says something that is not so.
// Without tokens (access: null, or it knows none) the field means nothing.
void Identify(const Access* access, const protocol::http::Head& head, protocol::http::Ask* ask);

// The request's name; empty: none. Points into the request.
absl::string_view CallerOf(const protocol::Request& request);

}  // namespace objmapper::session
