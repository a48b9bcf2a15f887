// What processes use, as the kernel counts it.
#pragma once

#include <sys/types.h>

#include "absl/status/status.h"
#include "tools/bench/contenders/contender.h"

namespace objmapper::bench {

// Adds what `pid` and its descendants use. A descendant that ends meanwhile is left out.
// UNAVAILABLE: `pid` itself has ended.
// Source: clock_getcpuclockid(3), proc(5): status, fd, task/*/children.
absl::Status AddUsage(pid_t pid, Usage* usage);

}  // namespace objmapper::bench
