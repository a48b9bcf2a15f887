// Files out of the page cache, surely.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace objmapper::bench {

// Writes the file back and drops its pages. FAILED_PRECONDITION: some stayed, because a process maps
// them (posix_fadvise(2) skips those), or the file is on tmpfs.
absl::Status DropFromPageCache(const std::string& path);

}  // namespace objmapper::bench
