// What puts that were killed have left behind: files, and folders, under reserved names
// (reserved_name.h).
//
// Those of processes that live, of this server or of another one on the same root, stay. Any
// thread; waits for the disk.
#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

// Removes it in the whole tree, which is read for that: for a server's start. How many there were.
// Directories that cannot be read, or go meanwhile, are passed over.
absl::StatusOr<size_t> RemoveLeftovers(const Tree& tree);

}  // namespace objmapper::storage
