// Makes and prunes the directories on an object's path. Another thread may prune at the same time;
// then the path is made again, a limited number of times.
#include "storage/store/parents.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "net/errno_status.h"
#include "storage/store/own_folder.h"
#include "storage/tree/directory_names.h"
#include "storage/tree/disk_error.h"
#include "text/printable.h"

namespace objmapper::storage {
namespace {

// A pruned directory is made again; a peer that prunes in the same rhythm does not keep us for
// ever.
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
    return net::ErrnoToStatus(errno, absl::StrCat("fsync ", text::Quoted(path)));
  }
  return absl::OkStatus();
}

// How many directories deep `path` leads.
size_t DepthOf(const std::string& path) {
  size_t depth = 0;
  for (const absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty()))
    depth += part != "." ? 1 : 0;
  return depth;
}

// Where the k-th component of `path` ends; ends[0] is 0, the root.
std::vector<size_t> ComponentEnds(absl::string_view path) {
  std::vector<size_t> ends = {0};
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '/' && (i + 1 == path.size() || path[i + 1] == '/')) ends.push_back(i + 1);
  }
  return ends;
}

// Opens what of `path` there is: *found is how many components. By halves, since what is above a
// directory that is there is there too: a path is never walked more than a few times, whatever its
// depth.
absl::StatusOr<net::UniqueFd> OpenDeepest(const Tree& tree, const std::string& path,
                                          const std::vector<size_t>& ends, size_t* found) {
  absl::StatusOr<net::UniqueFd> deepest = tree.OpenDirectory(path, Wait::kMayBlock);
  *found = ends.size() - 1;
  if (deepest.ok() || !absl::IsNotFound(deepest.status()) || *found == 0) return deepest;
  deepest = tree.OpenDirectory("", Wait::kMayBlock);
  if (!deepest.ok()) return deepest;
  size_t there = 0, missing = ends.size() - 1;
  while (missing - there > 1) {
    const size_t middle = there + (missing - there) / 2;
    absl::StatusOr<net::UniqueFd> directory =
        tree.OpenDirectory(path.substr(0, ends[middle]), Wait::kMayBlock);
    if (directory.ok()) {
      deepest = std::move(directory);
      there = middle;
    } else if (absl::IsNotFound(directory.status())) {
      missing = middle;
    } else {
      return directory;
    }
  }
  *found = there;
  return deepest;
}

// Makes what is missing below what is there, one in the other; *kept as in MakeParents().
// NOT_FOUND: something has gone or come meanwhile; try again.
absl::StatusOr<Parent> MakeOnce(const Tree& tree, const std::string& path,
                                const std::vector<size_t>& ends, bool* made, size_t* kept) {
  Parent parent;
  size_t at;
  absl::StatusOr<net::UniqueFd> deepest = OpenDeepest(tree, path, ends, &at);
  if (!deepest.ok()) return deepest.status();
  parent.directory = *std::move(deepest);
  const absl::Status again = absl::NotFoundError("it has been removed");
  for (; at + 1 < ends.size(); ++at) {
    const std::string name = NameOf(path.substr(0, ends[at + 1]));
    if (name == ".") continue;
    const auto what = [&] {
      return absl::StrCat("make directory ", text::Quoted(path.substr(0, ends[at + 1])));
    };
    const int error = MakeFolder(parent.directory.get(), name);
    if (error == 0) {
      *made = true;
      *kept = std::min(*kept, DepthOf(path.substr(0, ends[at + 1])) - 1);
    } else if (error == ENOENT) {
      return again;  // the one above has been pruned
    } else if (error != EEXIST) {
      return DiskError(error, what());
    } else {
      struct stat status;
      const bool gone =
          fstatat(parent.directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0;
      if (gone) return again;
      if (S_ISLNK(status.st_mode)) {
        // It may have come a moment ago, and lead somewhere: that is looked at as the readers do.
        if (tree.OpenDirectory(path.substr(0, ends[at + 1]), Wait::kMayBlock).ok()) return again;
        return absl::AlreadyExistsError(
            absl::StrCat(what(), ": a link of this name does not lead to a directory (EEXIST)"));
      }
      if (!S_ISDIR(status.st_mode)) {
        return absl::AlreadyExistsError(
            absl::StrCat(what(), ": there is an object of this name (EEXIST)"));
      }
    }
    net::UniqueFd next(openat(parent.directory.get(), name.c_str(),
                              O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next.valid()) {
      if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return again;
      return net::ErrnoToStatus(errno, what());
    }
    parent.directory = std::move(next);
  }
  return parent;
}

absl::StatusOr<Parent> Make(const Tree& tree, const std::string& path, size_t* kept) {
  const std::vector<size_t> ends = ComponentEnds(path);
  bool made = false;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    absl::StatusOr<Parent> parent = MakeOnce(tree, path, ends, &made, kept);
    if (parent.ok()) parent->made = made;
    if (!absl::IsNotFound(parent.status())) return parent;
  }
  return absl::ResourceExhaustedError(absl::StrCat("make directory ", text::Quoted(path),
                                                   ": it is being removed repeatedly; try again"));
}

}  // namespace

std::pair<std::string, std::string> SplitUri(absl::string_view uri) {
  const size_t slash = uri.rfind('/');
  if (slash == uri.npos) return {"", std::string(uri)};
  // Four thousand slashes are no four thousand directories to be looked at one after the other.
  std::string path;
  for (size_t begin = 0; begin < slash;) {
    const size_t end = std::min(uri.find('/', begin), slash);
    const absl::string_view part = uri.substr(begin, end - begin);
    if (!part.empty() && part != ".") absl::StrAppend(&path, path.empty() ? "" : "/", part);
    begin = end + 1;
  }
  return {path, std::string(uri.substr(slash + 1))};
}

absl::StatusOr<Parent> MakeParents(const Tree& tree, const std::string& path, size_t* kept) {
  absl::StatusOr<Parent> parent = Make(tree, path, kept);
  if (!parent.ok()) PruneParents(tree, path, *kept);
  return parent;
}

void PruneParents(const Tree& tree, std::string path, size_t kept) {
  while (DepthOf(path) > kept) {
    const std::string above = ParentOf(path);
    const absl::StatusOr<net::UniqueFd> directory = tree.OpenDirectory(above, Wait::kMayBlock);
    // What is gone already, or never came to be, keeps nothing above it.
    bool goes_on;
    if (directory.ok()) {
      const std::string name = NameOf(path);
      // "a//b" and "a/./b" are "a/b".
      const int error = name.empty() || name == "." ? 0 : RemoveFolder(directory->get(), name);
      goes_on = error == 0 || error == ENOENT || error == ENAMETOOLONG;
    } else {
      goes_on = absl::IsNotFound(directory.status()) || absl::IsOutOfRange(directory.status());
    }
    if (!goes_on) return;
    path = above;
  }
}

bool PruneBelow(int directory, const std::string& name, int levels_max) {
  const int error = RemoveFolder(directory, name);
  if (error == 0) return true;
  if ((error != ENOTEMPTY && error != EEXIST) || levels_max == 0) return false;
  net::UniqueFd own(
      openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  const int fd = own.get();
  const DirectoryStream listing = StreamOf(std::move(own));
  if (listing == nullptr) return false;
  std::vector<std::string> below;
  while (const dirent* entry = readdir(listing.get())) {
    const absl::string_view entry_name = entry->d_name;
    if (entry_name == "." || entry_name == "..") continue;
    // Looked at before anything is removed: an object beside it keeps all of them.
    struct stat status;
    if (fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(status.st_mode))
      return false;
    below.emplace_back(entry_name);
  }
  for (const std::string& next : below) {
    if (!PruneBelow(fd, next, levels_max - 1)) return false;
  }
  return RemoveFolder(directory, name) == 0;
}

absl::Status SyncParents(const Tree& tree, int directory, const std::string& path) {
  if (absl::Status synced = SyncDirectory(directory, path); !synced.ok()) return synced;
  for (std::string next = path; !next.empty();) {
    next = ParentOf(next);
    const absl::StatusOr<net::UniqueFd> fd = tree.OpenDirectory(next, Wait::kMayBlock);
    // It was deleted meanwhile, and its directory with it.
    if (absl::IsNotFound(fd.status())) continue;
    if (!fd.ok()) return fd.status();
    if (absl::Status synced = SyncDirectory(fd->get(), next); !synced.ok()) return synced;
  }
  return absl::OkStatus();
}

}  // namespace objmapper::storage
