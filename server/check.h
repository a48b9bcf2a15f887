// server --check: whether a server would start.
#pragma once

#include "absl/status/status.h"
#include "server/flags/config.h"

namespace objmapper::server {

// Whether a server with this configuration, which makes sense, would start here: its system calls,
// its root, its rules, the folders of its sockets, and whom it is to become. Opens no socket, and
// touches nothing that a running server has: what cannot be known without (a port that is taken, a
// socket that somebody listens on) is not looked at. Becomes config.become, if anybody.
//
// Errors: it would not; the message is for the operator. What would be no reason not to start is
// logged as a warning.
absl::Status CheckStart(const Config& config);

}  // namespace objmapper::server
