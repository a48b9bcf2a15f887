// Copies a part of an open file, by the cheapest way that works.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace objmapper::client {

// Told how far a copy is: after each piece, and at the end at least once.
using ProgressCallback = std::function<void(uint64_t done_bytes, uint64_t total_bytes)>;

// Sees each piece of an object before it is written; an error keeps it from that.
using InspectCallback = std::function<absl::Status(absl::string_view piece)>;

// How the bytes came to be where they are.
enum class CopyMethod : uint8_t {
  kSocket,         // from the connection (COPY, SPLICE)
  kReflink,        // the file system shares the blocks: no byte was moved
  kCopyFileRange,  // inside the kernel
  kReadWrite,      // through a buffer
};
// "socket", "reflink", "copy_file_range", "read_write".
absl::string_view CopyMethodName(CopyMethod method);

// Copies `length` bytes of `in` from `offset` to `out`, behind its own file offset. The offset of
// `in` is neither used nor moved: others may share it.
//
// in:  a regular file; borrowed.
// out: anything that can be written; borrowed. A reflink (FICLONE, ioctl_ficlonerange(2)) is tried
//      when the whole of `in` goes into an empty regular file, then copy_file_range(2), then
//      pread(2) and write(2), each from where the one before had to stop.
// inspect: may be empty; else the last of these alone is done, and an error of it ends the copy.
//
// Errors: DATA_LOSS (`in` is shorter than offset + length), or as ErrnoToStatus, naming `out_name`.
absl::StatusOr<CopyMethod> CopyRange(int in, uint64_t offset, uint64_t length, int out,
                                     absl::string_view out_name, const ProgressCallback& progress,
                                     const InspectCallback& inspect = nullptr);

// Writes all of `bytes` to `out`; waits when a non-blocking `out` is full.
absl::Status WriteAll(int out, absl::string_view bytes, absl::string_view out_name);

}  // namespace objmapper::client
