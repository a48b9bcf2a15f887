// A client's descriptor, out of which an object is to be made: what it is. Its bytes are copied by
// file_copy.h.
//
// Its file offset is the client's and is neither used nor moved. Its file may change at any time,
// unless it is sealed.
#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace objmapper::storage {

struct ForeignFile {
  uint64_t size = 0;
  // what is no hole, as far as the file system tells by its blocks; `size` at most
  uint64_t data_bytes = 0;
};

// May wait for ever, whatever the file is: never in the server's own process
// (storage/store/foreign_task.h).
//
// INVALID_ARGUMENT, which names what it is: it is no regular file open for reading (O_PATH,
// write-only, a pipe, a socket, a directory, a device, ...), or its size is not what it holds (0,
// and there are bytes).
absl::StatusOr<ForeignFile> JudgeForeignFile(int fd);

}  // namespace objmapper::storage
