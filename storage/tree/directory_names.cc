// Reads the names in a directory, with their types where the file system reports them.
#include "storage/tree/directory_names.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "storage/tree/open_at.h"

namespace objmapper::storage {
namespace {

// Some file systems do not say in the directory what a name is (readdir(3), DT_UNKNOWN).
bool IsDirectory(int directory, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
  struct stat status;
  return fstatat(directory, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISDIR(status.st_mode);
}

}  // namespace

net::UniqueFd OpenDirectoryBelow(int root, const std::string& path) {
  return net::UniqueFd(OpenPlain(root, path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY));
}

DirectoryStream StreamOf(net::UniqueFd directory) {
  DirectoryStream stream(fdopendir(directory.get()), closedir);
  if (stream != nullptr) static_cast<void>(directory.Release());
  return stream;
}

absl::Status ForEachName(int directory,
                         absl::FunctionRef<void(absl::string_view name, bool is_directory)> visit) {
  net::UniqueFd own(openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own.valid()) return net::ErrnoToStatus(errno, "open a directory");
  const DirectoryStream stream = StreamOf(std::move(own));
  if (stream == nullptr) return net::ErrnoToStatus(errno, "read a directory");
  while (true) {
    errno = 0;
    const dirent* entry = readdir(stream.get());
    if (entry == nullptr) break;
    const absl::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    visit(name, IsDirectory(directory, *entry));
  }
  if (errno != 0) return net::ErrnoToStatus(errno, "read a directory");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<DirectoryName>> NamesIn(int directory) {
  std::vector<DirectoryName> names;
  const absl::Status read =
      ForEachName(directory, [&names](absl::string_view name, bool is_directory) {
        names.push_back({std::string(name), is_directory});
      });
  if (!read.ok()) return read;
  return names;
}

}  // namespace objmapper::storage
