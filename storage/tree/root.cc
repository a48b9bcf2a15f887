// Opens the root, and compares it with what its name means later.
#include "storage/tree/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "storage/tree/open_at.h"

namespace objmapper::storage {
namespace {

// The root's directory, O_PATH. Errors as Root::Open().
absl::StatusOr<net::UniqueFd> OpenRoot(const std::string& root) {
  const std::string what = absl::StrCat("open the root ", root);
  net::UniqueFd fd(OpenAt2(AT_FDCWD, root.c_str(), O_PATH | O_DIRECTORY, 0));
  if (!fd.valid()) {
    switch (const int error = errno; error) {
      case ENOTDIR: {
        // Also what a file as a parent gives: the name itself tells which of both it is.
        struct stat status;
        if (stat(root.c_str(), &status) != 0) return net::ErrnoToStatus(errno, what);
        return absl::InvalidArgumentError(absl::StrCat(what, ": it is not a directory"));
      }
      case ENOSYS:
        return absl::UnimplementedError(
            absl::StrCat(what,
                         ": there is no openat2(2) (ENOSYS): Linux 5.6 or later is required, and "
                         "no seccomp filter that does not know it"));
      case EPERM:
        // A missing permission is EACCES; container run-times answer EPERM to unknown calls.
        return absl::PermissionDeniedError(
            absl::StrCat(what, ": a seccomp filter forbids openat2(2)? (EPERM)"));
      default:
        return net::ErrnoToStatus(error, what);
    }
  }
  // O_PATH asked for the way to the root only; objects need the permission to search it.
  const net::UniqueFd probe(
      OpenAt2(fd.get(), ".", O_PATH, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS));
  if (!probe.valid()) return net::ErrnoToStatus(errno, what);
  return fd;
}

}  // namespace

absl::StatusOr<Root> Root::Open(const std::string& path) {
  absl::StatusOr<net::UniqueFd> fd = OpenRoot(path);
  if (!fd.ok()) return fd.status();
  // When an object expires is asked by the name that its descriptor has there, and new files get
  // theirs by it. Without, objects would be served for ever.
  if (access(absl::StrCat("/proc/self/fd/", fd->get()).c_str(), F_OK) != 0) {
    return absl::UnimplementedError(
        absl::StrCat("open the root ", path,
                     ": there is no /proc, through which its files are reached: mount it (mount -t "
                     "proc proc /proc; MountAPIVFS=yes in a unit with RootDirectory=)"));
  }
  return Root(path, *std::move(fd));
}

absl::Status Root::Check() const {
  struct stat held, named;
  if (fstat(fd_.get(), &held) != 0)
    return net::ErrnoToStatus(errno, absl::StrCat("the root ", path_));
  const char* const then = "; SIGHUP looks up its path again";
  if (held.st_nlink == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("the root ", path_, " has been removed", then));
  }
  if (stat(path_.c_str(), &named) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the root ", path_, " has been moved away: the old directory is still served", then));
    }
    // not ours to look at: who gave its rights up may still serve what it opened before
    return absl::OkStatus();
  }
  if (held.st_dev == named.st_dev && held.st_ino == named.st_ino) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the root ", path_, " is another directory now: the old one is still served", then));
}

absl::StatusOr<bool> Root::Follow(absl::FunctionRef<absl::Status(int root)> accept) const {
  const absl::StatusOr<net::UniqueFd> fd = OpenRoot(path_);
  if (!fd.ok()) return fd.status();
  struct stat held, named;
  if (fstat(fd_.get(), &held) != 0 || fstat(fd->get(), &named) != 0) {
    return net::ErrnoToStatus(errno, absl::StrCat("the root ", path_));
  }
  if (held.st_dev == named.st_dev && held.st_ino == named.st_ino) return false;
  if (absl::Status accepted = accept(fd->get()); !accepted.ok()) return accepted;
  // In one step, so that every thread has the one or the other.
  if (dup3(fd->get(), fd_.get(), O_CLOEXEC) < 0)
    return net::ErrnoToStatus(errno, absl::StrCat("the root ", path_));
  return true;
}

}  // namespace objmapper::storage
