// The parts of ConfigFromFlags(): what is to be checked or derived once all flags are in their
// fields. Each is beside the flags that it is about. INVALID_ARGUMENT as ConfigFromFlags().
#pragma once

#include "absl/status/status.h"
#include "server/flags/config.h"

namespace objmapper::server {

absl::Status CheckListeners(Config* config);  // config_listen.cc
absl::Status CheckServing(Config* config);    // config_serving.cc
absl::Status CheckAccess(Config* config);     // config_access.cc
absl::Status CheckObjects(Config* config);    // config_objects.cc

}  // namespace objmapper::server
