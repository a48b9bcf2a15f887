// A server's life: start, or take over; serve until a signal or a successor comes; drain, or hand
// over; end.
#pragma once

#include "server/flags/config.h"
#include "server/systemd.h"

namespace objmapper::server {

// Returns the process's exit status: 0 served and stopped, 1 could not start. The main thread's,
// once, after PrepareSignals(). A second stop signal while it drains ends the process at once, with
// 130.
int Run(Config config, InheritedSockets inherited);

}  // namespace objmapper::server
