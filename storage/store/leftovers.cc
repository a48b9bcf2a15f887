// Removes files and directories with reserved names whose lock no process holds. One directory is
// open at a time.
#include "storage/store/leftovers.h"

#include <errno.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "storage/tree/directory_names.h"
#include "storage/tree/reserved_name.h"

namespace objmapper::storage {
namespace {

// Removes what is left in the directory `path` ("" is the root) and below it. One is open at a
// time.
absl::StatusOr<size_t> Clean(int root, const std::string& path) {
  size_t removed = 0;
  std::vector<std::string> below;
  {
    const net::UniqueFd directory = OpenDirectoryBelow(root, path);
    if (!directory.valid()) return net::ErrnoToStatus(errno, "open a directory");
    const absl::StatusOr<std::vector<DirectoryName>> names = NamesIn(directory.get());
    if (!names.ok()) return names.status();
    for (const DirectoryName& name : *names) {
      if (IsReservedName(name.name) && RemoveIfAbandoned(directory.get(), name.name)) {
        ++removed;
      } else if (name.is_directory) {
        below.push_back(absl::StrCat(path, path.empty() ? "" : "/", name.name));
      }
    }
  }
  for (const std::string& next : below) {
    // What is deeper no client of ours can have put there.
    if (!IsDeeperThan(next, kDepthMax - 1)) removed += Clean(root, next).value_or(0);
  }
  return removed;
}

}  // namespace

absl::StatusOr<size_t> RemoveLeftovers(const Tree& tree) { return Clean(tree.root().fd(), ""); }

}  // namespace objmapper::storage
