#include "client/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "net/errno_status.h"
#include "text/printable.h"

namespace objmapper::client {
namespace {

constexpr mode_t kNewFileMode = 0666;  // less the umask
constexpr int kNameAttempts = 16;

// "a/b" -> "a", "b" -> ".", "/b" -> "/".
std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
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

}  // namespace

absl::StatusOr<NewFile> NewFile::Create(absl::string_view path, Meanwhile meanwhile) {
  if (path.empty()) return absl::InvalidArgumentError("a file to write needs a name");
  std::string target(path);
  const std::unique_ptr<char, decltype(&free)> resolved(realpath(target.c_str(), nullptr), &free);
  if (resolved != nullptr) target = resolved.get();
  struct stat existing;
  if (stat(target.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "write ", text::Printable(path), ": it is ", S_ISDIR(existing.st_mode) ? "a folder" : "not a regular file"));
  }
  if (target.back() == '/') {
    return absl::InvalidArgumentError(absl::StrCat("write ", text::Printable(path), ": no such folder"));
  }
  const std::string folder = FolderOf(target);
  if (meanwhile == Meanwhile::kUnnamedIfPossible) {
    net::UniqueFd unnamed(open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kNewFileMode));
    if (unnamed.valid()) return NewFile(std::move(unnamed), std::move(target), std::string());
    // EISDIR: a kernel older than O_TMPFILE.
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
      return net::ErrnoToStatus(errno, absl::StrCat("write ", path));
    }
  }
  net::UniqueFd named;
  absl::StatusOr<std::string> name = WithFreshName(folder, [&named](const char* fresh) {
    named.Reset(open(fresh, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, kNewFileMode));
    return named.valid();
  });
  if (!name.ok()) {
    return absl::Status(name.status().code(),
                        absl::StrCat("write ", text::Printable(path), ": ", name.status().message()));
  }
  return NewFile(std::move(named), std::move(target), *std::move(name));
}

NewFile::~NewFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

absl::Status NewFile::Commit() {
  if (temporary_.empty()) {
    // linkat() does not replace, so the file gets a name of its own first. /proc's link is the way
    // that needs no privilege (open(2), O_TMPFILE).
    const std::string self = absl::StrCat("/proc/self/fd/", fd_.get());
    absl::StatusOr<std::string> name = WithFreshName(FolderOf(target_), [&self](const char* fresh) {
      return linkat(AT_FDCWD, self.c_str(), AT_FDCWD, fresh, AT_SYMLINK_FOLLOW) == 0;
    });
    if (!name.ok()) return name.status();
    temporary_ = *std::move(name);
  }
  if (rename(temporary_.c_str(), target_.c_str()) != 0) {
    return net::ErrnoToStatus(errno, absl::StrCat("write ", target_));
  }
  temporary_.clear();
  return absl::OkStatus();
}

}  // namespace objmapper::client
