// What lies directly in a folder, page by page: what a person wants to see, where Store::List()
// tells of all objects below a prefix.
//
// It is read from the folder itself, not from the catalog: so it is always what is there now, shows
// folders that are empty too, and costs by what is in the folder, wherever in whatever tree that
// is.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/memory/memory_tier.h"
#include "storage/store/list.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

// Where something stands in a folder: folders first, then by name, as bytes.
struct FolderPlace {
  bool is_object = false;
  std::string name;  // one component

  friend auto operator<=>(const FolderPlace&, const FolderPlace&) = default;
};

struct FolderEntry {
  FolderPlace place;
  uint64_t size = 0;    // of an object
  int64_t mtime_s = 0;  // since the epoch; of a folder that only objects in memory have: the latest
};

struct FolderQuery {
  std::string folder;  // "" is the root, else "a/b/": without empty components and "."
  std::optional<FolderPlace> after;  // the last place of the page before
  size_t bytes_max = 256 * 1024;     // of the page, in memory, about
};

struct FolderPage {
  std::vector<FolderEntry> entries;  // sorted; perhaps none although there is more
  // Where the next page goes on (FolderQuery::after); none: there is no more.
  std::optional<FolderPlace> last;
};

// One page of those that may be seen; objects in memory (null: there are none) beside those on the
// disk, which they hide. Left out is what Store::List() leaves out: names that the server keeps for
// itself, what has expired, what is no regular file, and symbolic links to folders. The folder
// itself may be reached through such a link, as an object may.
//
// Each page reads all names of the folder and keeps the least that are still to come: so memory is
// bounded by the page, nothing is held between pages, and what is there all the time is told
// exactly once, whatever else comes and goes. Waits for the disk.
//
// NOT_FOUND: there is no such folder. Else as Tree::OpenDirectory().
absl::StatusOr<FolderPage> ListFolder(const Tree& tree, const MemoryTier* memory,
                                      const FolderQuery& query, const ListFilter& filter);

}  // namespace objmapper::storage
