#include "storage/parents.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "net/errno_status.h"

namespace objmapper::storage {
namespace {

// A pruned directory is made again; a peer that prunes in the same rhythm does not keep us for ever.
constexpr int kAttemptsMax = 64;

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

absl::Status SyncDirectory(int directory, absl::string_view path) {
  // A descriptor of O_PATH cannot be synced.
  const net::UniqueFd fd(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || fsync(fd.get()) != 0) {
    return net::ErrnoToStatus(errno, absl::StrCat("fsync \"", absl::CHexEscape(path), "\""));
  }
  return absl::OkStatus();
}

}  // namespace

std::pair<std::string, std::string> SplitUri(absl::string_view uri) {
  while (!uri.empty() && uri.front() == '/') uri.remove_prefix(1);
  const size_t slash = uri.rfind('/');
  if (slash == uri.npos) return {"", std::string(uri)};
  absl::string_view path = uri.substr(0, slash);
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  return {std::string(path), std::string(uri.substr(slash + 1))};
}

absl::StatusOr<Parent> MakeParents(const Tree& tree, const std::string& path) {
  Parent parent;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    absl::StatusOr<net::UniqueFd> directory = tree.OpenDirectory(path, Wait::kMayBlock);
    if (directory.ok()) {
      parent.directory = *std::move(directory);
      return parent;
    }
    if (!absl::IsNotFound(directory.status()) || path.empty()) return directory.status();
    absl::StatusOr<Parent> above = MakeParents(tree, ParentOf(path));
    if (!above.ok()) return above;
    parent.made = true;
    const std::string name = NameOf(path);
    // "a//b" is "a/b".
    if (name.empty() || name == ".") {
      parent.directory = std::move(above->directory);
      return parent;
    }
    if (mkdirat(above->directory.get(), name.c_str(), 0777) == 0) continue;
    const int error = errno;
    if (error == ENOENT) continue;  // the one above has been pruned
    const std::string what = absl::StrCat("make directory \"", absl::CHexEscape(path), "\"");
    if (error == EEXIST) {
      struct stat status;
      if (fstatat(above->directory.get(), name.c_str(), &status, 0) != 0 || S_ISDIR(status.st_mode)) continue;
      return absl::AlreadyExistsError(absl::StrCat(what, ": there is an object of this name (EEXIST)"));
    }
    if (error == ENOSPC || error == EDQUOT || error == EMLINK) {
      return absl::UnavailableError(net::ErrnoToStatus(error, what).message());
    }
    return net::ErrnoToStatus(error, what);
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("make directory \"", absl::CHexEscape(path), "\": it is removed all the time; try again"));
}

void PruneParents(const Tree& tree, std::string path) {
  while (!path.empty()) {
    const std::string above = ParentOf(path);
    const absl::StatusOr<net::UniqueFd> directory = tree.OpenDirectory(above, Wait::kMayBlock);
    if (!directory.ok() || unlinkat(directory->get(), NameOf(path).c_str(), AT_REMOVEDIR) != 0) return;
    path = above;
  }
}

absl::Status SyncParents(const Tree& tree, int directory, const std::string& path, bool above) {
  if (absl::Status synced = SyncDirectory(directory, path); !synced.ok() || !above) return synced;
  for (std::string next = path; !next.empty();) {
    next = ParentOf(next);
    const absl::StatusOr<net::UniqueFd> fd = tree.OpenDirectory(next, Wait::kMayBlock);
    if (!fd.ok()) return fd.status();
    if (absl::Status synced = SyncDirectory(fd->get(), next); !synced.ok()) return synced;
  }
  return absl::OkStatus();
}

}  // namespace objmapper::storage
