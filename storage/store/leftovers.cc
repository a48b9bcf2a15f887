// Removes files and directories with reserved names whose lock no process holds. One directory is
// open at a time.
#include "storage/store/leftovers.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/unique_fd.h"
#include "storage/tree/directory_names.h"
#include "storage/tree/reserved_name.h"

namespace objmapper::storage {
namespace {

// Removes what is left in `directory`, and adds the names of the directories in it to `below`.
absl::StatusOr<size_t> CleanOne(int directory, std::vector<std::string>* below) {
  const absl::StatusOr<std::vector<DirectoryName>> names = NamesIn(directory);
  if (!names.ok()) return names.status();
  size_t removed = 0;
  for (const DirectoryName& name : *names) {
    if (IsReservedName(name.name) && RemoveIfAbandoned(directory, name.name)) {
      ++removed;
    } else if (name.is_directory) {
      below->push_back(name.name);
    }
  }
  return removed;
}

// Goes through the directories below `path` ("" or "a/b/"), which has those of `names` in it. One
// is open at a time.
size_t CleanBelow(int root, const std::string& path, const std::vector<std::string>& names) {
  size_t removed = 0;
  for (const std::string& name : names) {
    const std::string below_path = absl::StrCat(path, name);
    // What is deeper no client of ours can have put there.
    if (IsDeeperThan(below_path, kDepthMax - 1)) continue;
    std::vector<std::string> below;
    {
      const net::UniqueFd fd = OpenDirectoryBelow(root, below_path);
      if (!fd.valid()) continue;
      const absl::StatusOr<size_t> here = CleanOne(fd.get(), &below);
      if (!here.ok()) continue;
      removed += *here;
    }
    removed += CleanBelow(root, absl::StrCat(below_path, "/"), below);
  }
  return removed;
}

}  // namespace

absl::StatusOr<size_t> RemoveLeftovers(const Tree& tree) {
  const absl::StatusOr<net::UniqueFd> root = tree.OpenDirectory("", Wait::kMayBlock);
  if (!root.ok()) return root.status();
  std::vector<std::string> below;
  const absl::StatusOr<size_t> here = CleanOne(root->get(), &below);
  if (!here.ok()) return here;
  return *here + CleanBelow(root->get(), "", below);
}

}  // namespace objmapper::storage
