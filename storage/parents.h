// The directories on the way to an object that is stored or deleted: found, made, removed when empty, brought to the disk.
//
// They are resolved as readers resolve them (Tree::OpenDirectory()), so nothing is made or removed outside of the root.
// Stateless; any thread. Every call may wait for the disk.
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "storage/tree.h"

namespace objmapper::storage {

// A URI as its directory's path ("" is the root) and its last name, without leading slashes.
std::pair<std::string, std::string> SplitUri(absl::string_view uri);

struct Parent {
  net::UniqueFd directory;  // O_PATH
  bool made = false;        // it, or one above it
};

// The directory `path`, made where it is missing, with all above it. ALREADY_EXISTS: a part of the path is no directory.
// Else as Tree::OpenDirectory().
absl::StatusOr<Parent> MakeParents(const Tree& tree, const std::string& path);

// Removes `path` and those above it that have become empty, up to the root. One that somebody stores something in at
// this moment may go from under him: he makes it again.
void PruneParents(const Tree& tree, std::string path);

// Brings the names in `directory` to the disk, and with `above` those in each directory above it too.
absl::Status SyncParents(const Tree& tree, int directory, const std::string& path, bool above);

}  // namespace objmapper::storage
