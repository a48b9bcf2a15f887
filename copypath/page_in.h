// Brings a part of a file into the page cache.
#pragma once

#include <cstddef>
#include <cstdint>

namespace objmapper::copypath {

// Returns 0 when the pages of [offset, offset + bytes) are there, or were a moment ago, also where
// the file ends before the range does; else an errno (EIO, ...). fd: open for reading; its offset
// stays. Waits for the disk: for the threads of a pool. Thread-safe.
//
// The bytes are read as by any sequential reader, so that the kernel reads ahead in large pieces,
// and go nowhere: sendfile(2) to /dev/null moves references to pages. That was 1.7 times as fast as
// MADV_POPULATE_READ, whose faults are read around one by one and fill page tables that nobody
// looks at; reading into a buffer copies.
int PageIn(int fd, uint64_t offset, size_t bytes);

}  // namespace objmapper::copypath
