// What a directory holds.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace objmapper::storage {

struct DirectoryName {
  std::string name;
  bool is_directory = false;  // itself: a link to one is none
};

// All names in `directory` (borrowed, O_PATH will do) but "." and "..", reserved ones too, in no order. Waits for the disk.
// Errors as net::ErrnoToStatus.
absl::StatusOr<std::vector<DirectoryName>> NamesIn(int directory);

}  // namespace objmapper::storage
