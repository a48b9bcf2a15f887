// The flag of the memory tier.
#pragma once

#include "absl/status/status.h"
#include "server/flags/config.h"

namespace objmapper::server {

// Reads it into config->memory_limit. INVALID_ARGUMENT as ConfigFromFlags().
absl::Status ReadMemory(Config* config);

}  // namespace objmapper::server
