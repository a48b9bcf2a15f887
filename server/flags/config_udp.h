// The flags of the listeners for datagrams.
#pragma once

#include "absl/status/status.h"
#include "server/flags/config.h"

namespace objmapper::server {

// Reads them into config->listen_udp and udp_payload_max. INVALID_ARGUMENT as ConfigFromFlags().
absl::Status ReadUdp(Config* config);

}  // namespace objmapper::server
