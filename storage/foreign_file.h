// A client's descriptor, out of which an object is to be made: what it is. Its bytes are copied by file_copy.h.
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

}  // namespace objmapper::storage
