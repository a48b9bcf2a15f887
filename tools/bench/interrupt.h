// Ctrl-C ends a run in order: what was measured is still reported, and every process ends.
#pragma once

namespace objmapper::bench {

// The first SIGINT, SIGTERM or SIGHUP sets Interrupted(); a second ends the program at once.
void WatchForInterrupts();

bool Interrupted();

}  // namespace objmapper::bench
