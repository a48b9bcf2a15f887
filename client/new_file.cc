// A file without a name, or with a temporary one, that takes its name in Commit(). Until then
// nothing exists under the target's name that was not there before. An attribute that a file system
// does not have is left out; any other failure means that the old file cannot be replaced.
#include "client/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/copy_range.h"
#include "client/error.h"
#include "net/errno_status.h"
#include "text/printable.h"

namespace objmapper::client {
namespace {

constexpr mode_t kNewFileMode = 0666;    // less the umask
constexpr mode_t kMeanwhileMode = 0600;  // of what will get another file's permissions
constexpr int kNameAttempts = 16;

constexpr char kAccessList[] = "system.posix_acl_access";
constexpr char kOfServers[] = "user.objmapper.";
// What the kernel allows at most (xattr(7)).
constexpr size_t kNamesBytesMax = 65536;
constexpr size_t kValueBytesMax = 65536;

// There is no such attribute here, or none at all on this file system, or no file any more.
bool IsNone(int error) {
  return error == ENODATA || error == EOPNOTSUPP || error == ENOENT || error == ENOSYS;
}

bool KeepExtended(const std::string& old_path, int fd) {
  std::string names(kNamesBytesMax, '\0');
  const ssize_t bytes = llistxattr(old_path.c_str(), &names[0], names.size());
  if (bytes < 0) return IsNone(errno);
  names.resize(static_cast<size_t>(bytes));
  std::string value(kValueBytesMax, '\0');
  for (size_t at = 0; at < names.size(); at += strlen(&names[at]) + 1) {
    const char* const name = &names[at];
    const bool is_users = absl::StartsWith(name, "user.") && !absl::StartsWith(name, kOfServers);
    if (!is_users && absl::string_view(name) != kAccessList) continue;
    const ssize_t size = lgetxattr(old_path.c_str(), name, &value[0], value.size());
    if (size < 0 && IsNone(errno)) continue;
    if (size < 0 || fsetxattr(fd, name, value.data(), static_cast<size_t>(size), 0) != 0)
      return false;
  }
  return true;
}

// Gives `make` names in `folder` until one is new. Returns that name; errno is set otherwise.
// The name does not hold the target's: that may be as long as a name can be already.
absl::StatusOr<std::string> WithFreshName(const std::string& folder,
                                          absl::FunctionRef<bool(const char* name)> make) {
  for (int i = 0; i < kNameAttempts; ++i) {
    uint64_t random = 0;
    // Up to 256 bytes come whole or not at all (getrandom(2)); zeros would only collide.
    if (getrandom(&random, sizeof(random), 0) < 0 && errno != EINTR) break;
    std::string name = absl::StrFormat("%s/.objmapper-%016x.partial", folder, random);
    if (make(name.c_str())) return name;
    if (errno != EEXIST) break;
  }
  return net::ErrnoToStatus(errno, absl::StrCat("create a file in ", folder));
}

// Creates a file with a fresh name, which is in *name, in `folder`.
absl::StatusOr<net::UniqueFd> CreateNamed(const std::string& folder, mode_t mode,
                                          std::string* name) {
  net::UniqueFd file;
  absl::StatusOr<std::string> made = WithFreshName(folder, [&file, mode](const char* fresh) {
    file.Reset(open(fresh, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode));
    return file.valid();
  });
  if (!made.ok()) return made.status();
  *name = *std::move(made);
  return file;
}

std::string SelfName(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

// Keeps room for `size` bytes in `file`, so that none is missing in the midst of writing. What a
// file system cannot tell is left to the writing.
absl::Status KeepRoom(int file, off_t size, off_t size_before, absl::string_view path) {
  if (size == 0 || fallocate(file, FALLOC_FL_KEEP_SIZE, 0, size) == 0) return absl::OkStatus();
  if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG) return absl::OkStatus();
  const int error = errno;
  // Gives back what it got before there was no more.
  if (ftruncate(file, size_before) != 0)
    return net::ErrnoToStatus(errno, absl::StrCat("write to ", path));
  return net::ErrnoToStatus(error, absl::StrCat("write to ", path));
}

// Gives the new file `fd` (borrowed) what the regular file `old_path` has, whose attributes are
// `old`: owner and group, permissions without set-user-ID and set-group-ID (which go when a file is
// written to, too), the access list (acl(5)), and extended attributes in "user." (xattr(7)). Not
// its times, nor what the system sets ("security.", "trusted."), nor what a server of ours says of
// the old content: its etag and its end ("user.objmapper.", and the sticky bit;
// storage/tree/attributes.h).
//
// False when something of that cannot be kept, such as the owner without privilege: the new file is
// not like the old one then. An old file that has gone meanwhile is no error. Any thread.
bool KeepAttributes(const std::string& old_path, const struct stat& old, int fd) {
  struct stat now;
  if (fstat(fd, &now) != 0) return false;
  if ((now.st_uid != old.st_uid || now.st_gid != old.st_gid) &&
      fchown(fd, old.st_uid, old.st_gid) != 0)
    return false;
  // The folder's default list has made one for the new file.
  if (fremovexattr(fd, kAccessList) != 0 && !IsNone(errno)) return false;
  if (fchmod(fd, old.st_mode & 0777) != 0) return false;
  return KeepExtended(old_path, fd);
}

// A second number for it: both share one offset, so what is written to one by one comes one behind
// the other.
absl::StatusOr<net::UniqueFd> Duplicate(int fd, const std::string& what) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0)
    return absl::FailedPreconditionError(absl::StrCat(what, ": descriptor ", fd, " is not open"));
  if ((flags & O_ACCMODE) == O_RDONLY || (flags & O_PATH) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, ": descriptor ", fd, " is not open for writing"));
  }
  net::UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy.valid()) return net::ErrnoToStatus(errno, what);
  return copy;
}

absl::StatusOr<net::UniqueFd> OpenStream(const Place& place, const std::string& what) {
  // With O_CREAT the kernel looks at whose FIFO it is; it is there, so nothing is created.
  const int guard = S_ISFIFO(place.attributes.st_mode) && place.has_name ? O_CREAT : 0;
  while (true) {
    net::UniqueFd stream(open(place.path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | guard, 0600));
    if (stream.valid()) return stream;
    if (errno != EINTR) return net::ErrnoToStatus(errno, what);
  }
}

}  // namespace

absl::StatusOr<NewFile> NewFile::Create(absl::string_view path, Meanwhile meanwhile) {
  absl::StatusOr<Place> place = FindPlace(path);
  if (!place.ok()) return place.status();
  return CreateAt(absl::StrCat("write ", text::Printable(path)), *std::move(place), meanwhile);
}

absl::StatusOr<NewFile> NewFile::CreateAt(const std::string& what, Place place,
                                          Meanwhile meanwhile) {
  if (place.kind == Place::Kind::kNew) return CreateBeside(what, place, meanwhile);
  if (place.kind != Place::Kind::kFile) {
    return absl::FailedPreconditionError(absl::StrCat(
        what, ": it is ", place.kind == Place::Kind::kFolder ? "a folder" : "not a regular file"));
  }
  // A rename would not ask.
  if (faccessat(AT_FDCWD, place.path.c_str(), W_OK, AT_EACCESS) != 0)
    return net::ErrnoToStatus(errno, what);
  if (place.has_name) {
    absl::StatusOr<NewFile> beside = CreateBeside(what, place, meanwhile);
    if (beside.ok()) return beside;
  }
  absl::StatusOr<net::UniqueFd> elsewhere = TemporaryFile();
  if (!elsewhere.ok()) return About(what, elsewhere.status());
  return NewFile(*std::move(elsewhere), std::move(place), std::string(), /*in_place=*/true);
}

absl::StatusOr<NewFile> NewFile::CreateBeside(const std::string& what, const Place& place,
                                              Meanwhile meanwhile) {
  const std::string folder = FolderOf(place.path);
  const mode_t mode = place.kind == Place::Kind::kNew ? kNewFileMode : kMeanwhileMode;
  if (meanwhile == Meanwhile::kUnnamedIfPossible) {
    net::UniqueFd unnamed(open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
    if (unnamed.valid() && access(SelfName(unnamed.get()).c_str(), F_OK) == 0) {
      return NewFile(std::move(unnamed), place, std::string(), /*in_place=*/false);
    }
    // EISDIR: a kernel older than O_TMPFILE.
    if (!unnamed.valid() && errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL &&
        errno != ENOSYS) {
      return net::ErrnoToStatus(errno, what);
    }
  }
  std::string name;
  absl::StatusOr<net::UniqueFd> named = CreateNamed(folder, mode, &name);
  if (!named.ok()) return About(what, named.status());
  return NewFile(*std::move(named), place, std::move(name), /*in_place=*/false);
}

NewFile::~NewFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

absl::Status NewFile::Commit() {
  const bool replaces = place_.kind == Place::Kind::kFile;
  if (!in_place_ && replaces && !KeepAttributes(place_.path, place_.attributes, fd_.get()))
    in_place_ = true;
  if (in_place_) return WriteInPlace();
  if (temporary_.empty()) {
    // linkat() does not replace, so the file gets a name of its own first. /proc's link is the way
    // that needs no privilege (open(2), O_TMPFILE).
    const std::string self = SelfName(fd_.get());
    absl::StatusOr<std::string> name =
        WithFreshName(FolderOf(place_.path), [&self](const char* fresh) {
          return linkat(AT_FDCWD, self.c_str(), AT_FDCWD, fresh, AT_SYMLINK_FOLLOW) == 0;
        });
    // As where files that somebody else owns now may not be linked (proc(5), protected_hardlinks).
    if (!name.ok() && replaces) return WriteInPlace();
    if (!name.ok()) return name.status();
    temporary_ = *std::move(name);
  }
  if (rename(temporary_.c_str(), place_.path.c_str()) != 0) {
    const int error = errno;
    // EBUSY: a mount of its own, as containers have them; EPERM: somebody else's in a folder like
    // /tmp.
    if (replaces && (error == EBUSY || error == EPERM || error == EACCES)) return WriteInPlace();
    return net::ErrnoToStatus(error, absl::StrCat("write ", place_.path));
  }
  temporary_.clear();
  return absl::OkStatus();
}

absl::Status NewFile::WriteInPlace() {
  const std::string& path = place_.path;
  // Without a name it is reached through a link of /proc's. Not to wait where a FIFO has come into
  // its place.
  const int follow = place_.has_name ? O_NOFOLLOW : 0;
  const net::UniqueFd out(
      open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | follow));
  struct stat old;
  struct stat wanted;
  if (!out.valid() || fstat(out.get(), &old) != 0 || fstat(fd_.get(), &wanted) != 0) {
    return net::ErrnoToStatus(errno, absl::StrCat("write ", path));
  }
  if (!S_ISREG(old.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("write ", path, ": it is no longer a regular file"));
  }
  if (absl::Status room = KeepRoom(out.get(), wanted.st_size, old.st_size, path); !room.ok())
    return room;
  absl::Status written =
      CopyRange(fd_.get(), 0, static_cast<uint64_t>(wanted.st_size), out.get(), path, nullptr)
          .status();
  if (written.ok() && old.st_size > wanted.st_size && ftruncate(out.get(), wanted.st_size) != 0) {
    written = net::ErrnoToStatus(errno, absl::StrCat("shorten ", path));
  }
  if (written.ok()) return written;
  return absl::Status(
      written.code(),
      absl::StrCat(
          written.message(), "; ", path,
          " could not be replaced, only overwritten, and now contains only a part of the object"));
}

absl::StatusOr<net::UniqueFd> TemporaryFile() {
  const char* variable = getenv("TMPDIR");
  const std::string folder = variable == nullptr || *variable == '\0' ? "/tmp" : variable;
  net::UniqueFd file(open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kMeanwhileMode));
  if (file.valid()) return file;
  std::string name;
  absl::StatusOr<net::UniqueFd> named = CreateNamed(folder, kMeanwhileMode, &name);
  if (named.ok()) unlink(name.c_str());
  return named;
}

absl::StatusOr<Output> Output::Open(absl::string_view path) {
  absl::StatusOr<Place> place = FindPlace(path);
  if (!place.ok()) return place.status();
  const std::string what = absl::StrCat("write ", text::Printable(path));
  if (place->kind == Place::Kind::kSocket) {
    return absl::FailedPreconditionError(absl::StrCat(what, ": it is a socket"));
  }
  if (place->kind == Place::Kind::kDescriptor || place->kind == Place::Kind::kStream) {
    absl::StatusOr<net::UniqueFd> stream = place->kind == Place::Kind::kDescriptor
                                               ? Duplicate(place->fd, what)
                                               : OpenStream(*place, what);
    if (!stream.ok()) return stream.status();
    return Output(*std::move(stream));
  }
  absl::StatusOr<NewFile> file = NewFile::CreateAt(what, *std::move(place));
  if (!file.ok()) return file.status();
  return Output(*std::move(file));
}

}  // namespace objmapper::client
