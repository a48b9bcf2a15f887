// Opens the reserved folder without following anybody's links.
#include "origin/cache/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "origin/cache/place.h"
#include "storage/tree/disk_error.h"
#include "storage/tree/open_at.h"

namespace objmapper::origin {

absl::StatusOr<net::UniqueFd> FindFolder(const storage::Tree& tree, const std::string& folder) {
  net::UniqueFd fd(storage::OpenPlain(tree.root().fd(), folder.c_str(), O_RDONLY | O_DIRECTORY));
  if (fd.valid()) return fd;
  if (errno == ENOENT) return absl::NotFoundError(absl::StrCat(folder, " does not exist"));
  if (errno == ELOOP || errno == ENOTDIR) {
    return absl::PermissionDeniedError(
        absl::StrCat(folder, " is reserved for the server, and is no folder"));
  }
  return storage::DiskError(errno, absl::StrCat("open ", folder));
}

absl::StatusOr<net::UniqueFd> OpenFolder(const storage::Tree& tree, const std::string& folder) {
  absl::StatusOr<net::UniqueFd> found = FindFolder(tree, folder);
  if (!absl::IsNotFound(found.status())) return found;
  for (const std::string& path : {OriginFolder(), folder}) {
    if (mkdirat(tree.root().fd(), path.c_str(), S_IRWXU) != 0 && errno != EEXIST)
      return storage::DiskError(errno, absl::StrCat("make ", path));
  }
  return FindFolder(tree, folder);
}

}  // namespace objmapper::origin
