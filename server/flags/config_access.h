// The flags that say who may connect and ask, how often, and what of it is logged.
#pragma once

#include "absl/status/status.h"
#include "server/flags/config.h"

namespace objmapper::server {

// Reads them into config->admission, socket_file, rules_file, rate and the log's settings;
// config->listen is filled. INVALID_ARGUMENT as ConfigFromFlags().
absl::Status ReadAccess(Config* config);

}  // namespace objmapper::server
