// The folder that the server keeps for what comes from origins (place.h), open.
//
// Stateless; any thread. Waits for the disk.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "net/unique_fd.h"
#include "storage/tree/tree.h"

namespace objmapper::origin {

// PartFolder() or WholeFolder(), open for reading, made where it is missing. Only its owner may
// look into it, since a file that is half filled reads as zeros where it is not. PERMISSION_DENIED:
// a link, or something else, has its name. Else as storage::DiskError().
absl::StatusOr<net::UniqueFd> OpenFolder(const storage::Tree& tree, const std::string& folder);

// The same of one that is there. NOT_FOUND: it is not.
absl::StatusOr<net::UniqueFd> FindFolder(const storage::Tree& tree, const std::string& folder);

}  // namespace objmapper::origin
