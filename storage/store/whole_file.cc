// Moves a file on its mount, and copies it to another.
#include "storage/store/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>
#include <utility>

#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "storage/store/file_copy.h"

namespace objmapper::storage {
namespace {

// Whether `whole` can be renamed into `directory`: they are on one mount.
bool RenameReaches(const WholeFile& whole, int directory) {
  constexpr unsigned kMask = STATX_TYPE | STATX_MNT_ID;
  struct statx file, there;
  if (statx(whole.folder, "", AT_EMPTY_PATH, kMask, &file) != 0 ||
      statx(directory, "", AT_EMPTY_PATH, kMask, &there) != 0)
    return false;
  return file.stx_dev_major == there.stx_dev_major && file.stx_dev_minor == there.stx_dev_minor &&
         file.stx_mnt_id == there.stx_mnt_id;
}

}  // namespace

absl::StatusOr<NewFile> FileOf(const WholeFile& whole, int directory, const std::string& name) {
  if (RenameReaches(whole, directory)) {
    net::UniqueFd file(fcntl(whole.fd, F_DUPFD_CLOEXEC, 0));
    net::UniqueFd folder(fcntl(whole.folder, F_DUPFD_CLOEXEC, 0));
    if (!file.valid() || !folder.valid()) return net::ErrnoToStatus(errno, "dup");
    return NewFile::Of(std::move(file), std::move(folder), whole.name, name);
  }
  absl::StatusOr<NewFile> copy = NewFile::Make(directory, name);
  if (!copy.ok()) return copy;
  struct stat status;
  if (fstat(whole.fd, &status) != 0) return net::ErrnoToStatus(errno, "fstat");
  const absl::Status copied =
      CopyFile(whole.fd, static_cast<uint64_t>(status.st_size), copy->fd(), [] { return true; });
  if (!copied.ok()) return copied;
  if (absl::Status dressed = whole.dress(copy->fd()); !dressed.ok()) return dressed;
  return copy;
}

}  // namespace objmapper::storage
