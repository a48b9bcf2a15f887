#include "storage/leftovers.h"

#include <fcntl.h>

#include <string>
#include <utility>
#include <vector>

#include "net/unique_fd.h"
#include "storage/directory_names.h"
#include "storage/reserved_name.h"

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

size_t CleanBelow(int directory, const std::vector<std::string>& names) {
  size_t removed = 0;
  for (const std::string& name : names) {
    const net::UniqueFd fd(openat(directory, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) continue;
    std::vector<std::string> below;
    const absl::StatusOr<size_t> here = CleanOne(fd.get(), &below);
    if (here.ok()) removed += *here + CleanBelow(fd.get(), below);
  }
  return removed;
}

}  // namespace

absl::StatusOr<size_t> RemoveLeftoversIn(int directory) {
  std::vector<std::string> below;
  return CleanOne(directory, &below);
}

absl::StatusOr<size_t> RemoveLeftovers(const Tree& tree) {
  const absl::StatusOr<net::UniqueFd> root = tree.OpenDirectory("", Wait::kMayBlock);
  if (!root.ok()) return root.status();
  std::vector<std::string> below;
  const absl::StatusOr<size_t> here = CleanOne(root->get(), &below);
  if (!here.ok()) return here;
  return *here + CleanBelow(root->get(), below);
}

}  // namespace objmapper::storage
