// A file that is made by O_TMPFILE and linked, or renamed over an older one under a reserved,
// locked name. Until then it has no name that others see.
#include "storage/store/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/tree/disk_error.h"
#include "storage/tree/reserved_name.h"

namespace objmapper::storage {
namespace {

constexpr mode_t kMode = 0644;  // less what the umask takes
// How often one is made that somebody takes for abandoned.
constexpr int kAttemptsMax = 8;

// The caller knows the object's whole name, and says it.
absl::Status FileError(int error, const char* what) {
  const absl::Status status = DiskError(error, what);
  switch (error) {
    case ENOENT:
      return absl::NotFoundError("the directory has been removed");
    case EISDIR:
    case ENOTEMPTY:
    case EEXIST:
      return absl::AlreadyExistsError(
          absl::StrCat(status.message(), ": a directory has this name"));
    default:
      return status;
  }
}

}  // namespace

absl::StatusOr<NewFile> NewFile::Make(int directory, const std::string& name, bool replaces) {
  if (replaces) {
    absl::StatusOr<NewFile> file = MakeNamed(directory, name);
    // Whoever looks for what others have left behind found it before it was locked.
    if (!absl::IsAborted(file.status())) return file;
  }
  net::UniqueFd fd(openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, kMode));
  if (fd.valid()) return NewFile(std::move(fd), net::UniqueFd(), name, "");
  // EISDIR: a kernel or file system that does not know O_TMPFILE sees a directory to be written
  // (open(2)).
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return FileError(errno, "open");
  for (int attempt = 1;; ++attempt) {
    absl::StatusOr<NewFile> file = MakeNamed(directory, name);
    if (!absl::IsAborted(file.status()) || attempt == kAttemptsMax) return file;
  }
}

// With a reserved name from the start. ABORTED: it has been taken for one that was left behind.
absl::StatusOr<NewFile> NewFile::MakeNamed(int directory, const std::string& name) {
  net::UniqueFd named_in(fcntl(directory, F_DUPFD_CLOEXEC, 0));
  if (!named_in.valid()) return FileError(errno, "dup");
  std::string reserved = NewReservedName();
  net::UniqueFd fd(
      openat(directory, reserved.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, kMode));
  if (!fd.valid()) return FileError(errno, "open");
  NewFile file(std::move(fd), std::move(named_in), name, std::move(reserved));
  // Between the two it may be locked and removed (RemoveIfAbandoned()); from then on it may not.
  struct stat status;
  if (!LockReserved(file.fd())) {
    if (errno != EWOULDBLOCK) return FileError(errno, "flock");
    return absl::AbortedError("its reserved name was removed while it was made");
  }
  if (fstat(file.fd(), &status) != 0) return FileError(errno, "fstat");
  if (status.st_nlink == 0)
    return absl::AbortedError("its reserved name was removed while it was made");
  return file;
}

NewFile NewFile::Of(net::UniqueFd fd, net::UniqueFd named_in, const std::string& reserved,
                    const std::string& name) {
  NewFile file(std::move(fd), std::move(named_in), name, reserved);
  file.stays_ = true;
  return file;
}

NewFile::~NewFile() {
  if (named_in_.valid() && !reserved_.empty() && !stays_)
    unlinkat(named_in_.get(), reserved_.c_str(), 0);
}

bool NewFile::Link(int directory, const std::string& name) const {
  // By the descriptor itself only who may search everything can link (linkat(2), AT_EMPTY_PATH); by
  // /proc everybody.
  const std::string path = absl::StrCat("/proc/self/fd/", fd_.get());
  if (linkat(AT_FDCWD, path.c_str(), directory, name.c_str(), AT_SYMLINK_FOLLOW) == 0) return true;
  if (errno != ENOENT) return false;
  return linkat(fd_.get(), "", directory, name.c_str(), AT_EMPTY_PATH) == 0;
}

absl::Status NewFile::Publish(int directory, bool* replaced) {
  *replaced = false;
  if (!reserved_.empty()) {
    struct stat status;
    *replaced = fstatat(directory, name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    return Rename(directory);
  }
  if (Link(directory, name_)) return absl::OkStatus();
  if (errno != EEXIST) return FileError(errno, "link");
  *replaced = true;
  // Locked before it has the name: who finds the name knows by the lock that it is not abandoned.
  if (!LockReserved(fd_.get())) return FileError(errno, "flock");
  net::UniqueFd named_in(fcntl(directory, F_DUPFD_CLOEXEC, 0));
  if (!named_in.valid()) return FileError(errno, "dup");
  const std::string reserved = NewReservedName();
  if (!Link(directory, reserved)) return FileError(errno, "link");
  named_in_ = std::move(named_in);
  reserved_ = reserved;
  return Rename(directory);
}

absl::Status NewFile::PublishNew(int directory) {
  const auto error = [] {
    return errno == EEXIST ? absl::AlreadyExistsError("something has this name")
                           : FileError(errno, "link");
  };
  if (reserved_.empty()) return Link(directory, name_) ? absl::OkStatus() : error();
  if (renameat2(named_in_.get(), reserved_.c_str(), directory, name_.c_str(), RENAME_NOREPLACE) !=
      0) {
    if (errno != EINVAL && errno != ENOSYS) return error();
    // A file system without RENAME_NOREPLACE: linkat(2) replaces nothing either.
    if (linkat(named_in_.get(), reserved_.c_str(), directory, name_.c_str(), 0) != 0)
      return error();
    unlinkat(named_in_.get(), reserved_.c_str(), 0);
  }
  reserved_.clear();
  return absl::OkStatus();
}

absl::Status NewFile::Rename(int directory) {
  if (renameat(named_in_.get(), reserved_.c_str(), directory, name_.c_str()) != 0)
    return FileError(errno, "rename");
  reserved_.clear();
  return absl::OkStatus();
}

}  // namespace objmapper::storage
