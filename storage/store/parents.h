// The directories on the way to an object that is stored or deleted: found, made, removed when
// empty, brought to the disk.
//
// They are resolved as readers resolve them (Tree::OpenDirectory()), so nothing is made or removed
// outside of the root. Stateless; any thread. Every call may wait for the disk.
#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

// A URI as its directory's path ("" is the root), without "." and doubled slashes, and its last
// name.
std::pair<std::string, std::string> SplitUri(absl::string_view uri);

struct Parent {
  net::UniqueFd directory;  // O_PATH
  bool made = false;        // it, or one above it
};

// The directory `path`, made where it is missing, with all above it. ALREADY_EXISTS: a part of the
// path is no directory, or a link that leads to none. UNAVAILABLE: no room. Else as
// Tree::OpenDirectory(). What it has made for nothing is removed again. kept: for PruneParents().
// Lowered where that is needed to let it remove again what this call has made.
absl::StatusOr<Parent> MakeParents(const Tree& tree, const std::string& path, size_t* kept);

// Removes `path` and those above it that have become empty and that the server has made
// (own_folder.h), but for the first `kept` components. One that somebody stores something in at
// this moment may go from under him: he makes it again.
void PruneParents(const Tree& tree, std::string path, size_t kept);

// Removes the directory `name` in `directory`, and those below it, if the server has made all of
// them and no file is in any. False: not so, or it cannot be done; some of those without may be
// gone then. levels_max: how deep it looks; each level is a descriptor while it does.
bool PruneBelow(int directory, const std::string& name, int levels_max = 16);

// Brings the names in `directory`, which is `path`, to the disk, and those in each directory above
// it: any of them may have been made a moment ago, by somebody else too.
absl::Status SyncParents(const Tree& tree, int directory, const std::string& path);

}  // namespace objmapper::storage
