// A client's descriptor, out of which an object is to be made: what it is, and its bytes.
//
// Its file offset is the client's and is neither used nor moved. Its file may change at any time, unless it is sealed.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace objmapper::storage {

// The size of the file. INVALID_ARGUMENT, which names what it is: it is no regular file open for reading (O_PATH,
// write-only, a pipe, a socket, a directory, a device, ...), or lies on a file system in user space (FUSE), whose
// client could keep the server waiting for ever.
absl::StatusOr<uint64_t> JudgeForeignFile(int fd);

// Copies the first `size` bytes of `from` to `to`, an empty file: as shared extents where the file system can (FICLONE), else
// inside the kernel (copy_file_range(2), sendfile(2)). Waits for the disk.
// ABORTED: it has another size by now. UNAVAILABLE: no room. Else as ErrnoToStatus.
absl::Status CopyForeignFile(int from, uint64_t size, int to);

}  // namespace objmapper::storage
