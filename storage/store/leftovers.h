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

// Removes what is left in one directory (borrowed, O_PATH will do), not in those below it. How many
// there were.
absl::StatusOr<size_t> RemoveLeftoversIn(int directory);

// Removes it in the whole tree, which is read for that: for a server's start. Directories that
// cannot be read, or go meanwhile, are passed over.
absl::StatusOr<size_t> RemoveLeftovers(const Tree& tree);

}  // namespace objmapper::storage
