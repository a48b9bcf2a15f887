// What is asked, and answered, of objects that are stored and removed: in each dialect.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "protocol/dialect.h"
#include "protocol/request.h"
#include "session/answers.h"
#include "session/reply.h"

namespace objmapper::session {

// Whether the request may be served in place of what is there under its name; null: nothing is.
// OK or ABORTED.
using Precondition = std::function<absl::Status(const ObjectFacts* there)>;

// Empty: there is none. Keeps what it needs of the request.
Precondition PreconditionOf(const protocol::Request& request);

// Appends the answer to what has stored an object. stored: as it is now; null: that cannot be told.
// replaced: another had its name.
void AppendStored(protocol::Dialect dialect, const protocol::Request& request,
                  const ObjectFacts* stored, bool replaced, std::string* out);

// Appends the answer to what has removed one.
void AppendRemoved(protocol::Dialect dialect, const protocol::Request& request, std::string* out);

// As AppendError(), of a PUT for which there is no room.
void AppendNoRoom(protocol::Dialect dialect, const protocol::Request& request,
                  absl::string_view message, std::string* out);

}  // namespace objmapper::session
