// The flags that say what is known of all objects, and how full the disk may be.
#pragma once

#include "absl/status/status.h"
#include "server/flags/config.h"

namespace objmapper::server {

// Reads them into config->catalog and what follows it; config->writable is filled. INVALID_ARGUMENT
// as ConfigFromFlags().
absl::Status ReadDisk(Config* config);

}  // namespace objmapper::server
