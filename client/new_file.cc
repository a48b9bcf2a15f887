// A file without a name, or with a temporary one, that takes its name in Commit(). Until then
// nothing exists under the target's name that was not there before.
#include "client/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/attributes.h"
#include "client/copy_range.h"
#include "net/errno_status.h"
#include "text/printable.h"

namespace objmapper::client {
namespace {

constexpr mode_t kNewFileMode = 0666;    // less the umask
constexpr mode_t kMeanwhileMode = 0600;  // of what will get another file's permissions
constexpr int kNameAttempts = 16;

// "/a/b" -> "/a", "/b" -> "/": of a path behind all links.
std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
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

}  // namespace

absl::StatusOr<NewFile> NewFile::Create(absl::string_view path, Meanwhile meanwhile) {
  absl::StatusOr<Place> place = FindPlace(path);
  if (!place.ok()) return place.status();
  return CreateAt(path, *std::move(place), meanwhile);
}

absl::StatusOr<NewFile> NewFile::CreateAt(absl::string_view path, Place place,
                                          Meanwhile meanwhile) {
  const std::string what = absl::StrCat("write ", text::Printable(path));
  if (place.kind == Place::Kind::kNew) return CreateBeside(path, place, meanwhile);
  if (place.kind != Place::Kind::kFile) {
    return absl::FailedPreconditionError(absl::StrCat(
        what, ": it is ", place.kind == Place::Kind::kFolder ? "a folder" : "not a regular file"));
  }
  // A rename would not ask.
  if (faccessat(AT_FDCWD, place.path.c_str(), W_OK, AT_EACCESS) != 0)
    return net::ErrnoToStatus(errno, what);
  if (place.has_name) {
    absl::StatusOr<NewFile> beside = CreateBeside(path, place, meanwhile);
    if (beside.ok()) return beside;
  }
  absl::StatusOr<net::UniqueFd> elsewhere = TemporaryFile();
  if (!elsewhere.ok()) {
    return absl::Status(elsewhere.status().code(),
                        absl::StrCat(what, ": ", elsewhere.status().message()));
  }
  return NewFile(*std::move(elsewhere), std::move(place), std::string(), /*in_place=*/true);
}

absl::StatusOr<NewFile> NewFile::CreateBeside(absl::string_view path, const Place& place,
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
      return net::ErrnoToStatus(errno, absl::StrCat("write ", text::Printable(path)));
    }
  }
  net::UniqueFd named;
  absl::StatusOr<std::string> name = WithFreshName(folder, [&named, mode](const char* fresh) {
    named.Reset(open(fresh, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, mode));
    return named.valid();
  });
  if (!name.ok()) {
    return absl::Status(name.status().code(), absl::StrCat("write ", text::Printable(path), ": ",
                                                           name.status().message()));
  }
  return NewFile(std::move(named), place, *std::move(name), /*in_place=*/false);
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
  absl::StatusOr<std::string> name = WithFreshName(folder, [&file](const char* fresh) {
    file.Reset(open(fresh, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, kMeanwhileMode));
    return file.valid();
  });
  if (!name.ok()) return name.status();
  unlink(name->c_str());
  return file;
}

}  // namespace objmapper::client
