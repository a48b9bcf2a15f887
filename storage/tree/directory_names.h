// What a directory holds.
#pragma once

#include <dirent.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/unique_fd.h"

namespace objmapper::storage {

// Opens the directory `path` below `root` (borrowed; O_PATH will do), to read it; "" is `root`
// itself. No part of the way is a symbolic link, and none leads out. Invalid, and errno, when there
// is none. So a walk of a tree needs to keep none open while it is in those below: it comes back by
// the path.
net::UniqueFd OpenDirectoryBelow(int root, const std::string& path);

// A directory, open for reading, as a stream of its names (readdir(3)), which is its owner from
// then on; null, and errno: it cannot be.
using DirectoryStream = std::unique_ptr<DIR, int (*)(DIR*)>;
DirectoryStream StreamOf(net::UniqueFd directory);

struct DirectoryName {
  std::string name;
  bool is_directory = false;  // itself: a link to one is none
};

// Calls `visit` for each name in `directory` (borrowed, O_PATH will do) but "." and "..", reserved
// ones too, in no order; however many there are, some kilobytes of them are in memory at a time.
// Waits for the disk. Errors as net::ErrnoToStatus.
absl::Status ForEachName(int directory,
                         absl::FunctionRef<void(absl::string_view name, bool is_directory)> visit);

// All of them.
absl::StatusOr<std::vector<DirectoryName>> NamesIn(int directory);

}  // namespace objmapper::storage
