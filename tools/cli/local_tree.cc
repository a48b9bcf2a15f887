// Walks a local directory for put -r, and finds the place of an object below one for cp -r.
// Symbolic links to directories are not followed, and no name leads out of the directory.
#include "tools/cli/local_tree.h"

#include <errno.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/error.h"
#include "net/errno_status.h"
#include "text/printable.h"

namespace objmapper::tools {
namespace {

absl::Status ErrnoAbout(absl::string_view call, const std::string& path) {
  return net::ErrnoToStatus(errno, absl::StrCat(call, " ", text::Printable(path)));
}

absl::StatusOr<std::vector<std::string>> NamesIn(const std::string& folder) {
  std::error_code failed;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entry(folder, failed), end;
  for (; entry != end; entry.increment(failed)) names.push_back(entry->path().filename());
  errno = failed.value();
  if (failed) return ErrnoAbout("open folder", folder);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

void WalkFolder(const std::string& folder, absl::FunctionRef<void(LocalFile file)> file,
                absl::FunctionRef<void(const std::string& path, const absl::Status& error)> error) {
  std::vector<std::string> names{""};  // to look at, below the folder, the next one last
  while (!names.empty()) {
    const std::string name = std::move(names.back());
    names.pop_back();
    const std::string path = name.empty() ? folder : absl::StrCat(folder, "/", name);
    struct stat attributes;
    const bool is_folder =
        name.empty() || (lstat(path.c_str(), &attributes) == 0 && S_ISDIR(attributes.st_mode));
    if (is_folder) {
      absl::StatusOr<std::vector<std::string>> inside = NamesIn(path);
      if (!inside.ok()) {
        error(path, inside.status());
        continue;
      }
      for (auto it = inside->rbegin(); it != inside->rend(); ++it) {
        names.push_back(name.empty() ? *it : absl::StrCat(name, "/", *it));
      }
    } else if (IsFolder(path)) {
      error(path,
            absl::InvalidArgumentError(absl::StrCat(
                text::Printable(path), " is a symbolic link to a folder, which is not followed")));
    } else if (const absl::StatusOr<uint64_t> size = FileSize(path); size.ok()) {
      file({path, name, *size});
    } else {
      error(path, size.status());
    }
  }
}

bool IsFolder(const std::string& path) {
  struct stat attributes;
  return stat(path.c_str(), &attributes) == 0 && S_ISDIR(attributes.st_mode);
}

absl::StatusOr<uint64_t> FileSize(const std::string& path) {
  struct stat attributes;
  if (stat(path.c_str(), &attributes) != 0) return ErrnoAbout("open", path);
  if (S_ISREG(attributes.st_mode)) return static_cast<uint64_t>(attributes.st_size);
  return absl::InvalidArgumentError(absl::StrCat(text::Printable(path), " is not a regular file"));
}

absl::StatusOr<std::string> PlaceIn(const std::string& folder, absl::string_view name) {
  const std::string shown = absl::StrCat("object ", text::Quoted(name));
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  for (const std::string& part : parts) {
    // Behind a NUL the kernel sees nothing.
    if (!part.empty() && part != "." && part != ".." && !absl::StrContains(part, '\0')) continue;
    return absl::InvalidArgumentError(absl::StrCat(shown, " has no place in ",
                                                   text::Printable(folder),
                                                   ": a part of its name is ", text::Quoted(part)));
  }
  std::string path = folder;
  for (size_t i = 0; i < parts.size(); ++i) {
    absl::StrAppend(&path, "/", parts[i]);
    const bool last = i + 1 == parts.size();
    if (!last && mkdir(path.c_str(), 0777) == 0) continue;
    if (!last && errno != EEXIST) return client::About(shown, ErrnoAbout("make folder", path));
    struct stat attributes;
    if (lstat(path.c_str(), &attributes) != 0) {
      if (last && errno == ENOENT) break;
      return client::About(shown, ErrnoAbout("look at", path));
    }
    if (S_ISLNK(attributes.st_mode)) {
      return absl::PermissionDeniedError(absl::StrCat(shown, ": ", text::Printable(path),
                                                      " is a symbolic link, which may lead out of ",
                                                      text::Printable(folder)));
    }
    if (!last && !S_ISDIR(attributes.st_mode)) {
      return absl::FailedPreconditionError(absl::StrCat(shown, ": ", text::Printable(path),
                                                        " is in the way: it is not a directory"));
    }
    // A device or FIFO would be written to as it is.
    if (last && !S_ISREG(attributes.st_mode)) {
      return absl::FailedPreconditionError(
          absl::StrCat(shown, ": ", text::Printable(path), " is in the way: it is ",
                       S_ISDIR(attributes.st_mode) ? "a folder" : "not a regular file"));
    }
  }
  return path;
}

}  // namespace objmapper::tools
