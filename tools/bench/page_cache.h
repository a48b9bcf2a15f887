// Files out of the page cache, surely, and memory to read them into.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace objmapper::bench {

// Writes the files back and drops their pages. FAILED_PRECONDITION: some stayed, because a process
// maps them (posix_fadvise(2) skips those), or a file is on tmpfs.
//
// Then touches as much free memory as the files take, in huge pages, and frees it again. A virtual
// machine may have told its host of free blocks of 2 MiB (free page reporting, virtio-balloon),
// which took them back: who first touches such a page waits some 5 us for the host. For 512 MiB
// that is 0.6 s, three times what the disk takes, and it fell on whichever contender happened to be
// given such blocks. The kernel hands out first what was freed last. This makes it seldom, not
// impossible: look at the spread.
absl::Status MakeCold(const std::vector<std::string>& paths);

}  // namespace objmapper::bench
