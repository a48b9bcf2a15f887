// The flags that say whether clients may change objects, and what a crash may take of them.
#pragma once

#include "absl/status/status.h"
#include "server/flags/config.h"

namespace objmapper::server {

// Reads them into config->writable and durability. INVALID_ARGUMENT as ConfigFromFlags().
absl::Status ReadObjects(Config* config);

}  // namespace objmapper::server
