// The directory that a tree stands on: opened once, and kept whatever becomes of its name.
#pragma once

#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/unique_fd.h"

namespace objmapper::storage {

// Thread-safe but for Follow(), which any thread may call, one at a time. Movable.
class Root {
 public:
  // NOT_FOUND, PERMISSION_DENIED, INVALID_ARGUMENT (not a directory), UNIMPLEMENTED (the kernel has
  // no openat2(2): it is older than 5.6; or there is no /proc, by which attributes are read and
  // files get their names). The message names `path`.
  static absl::StatusOr<Root> Open(const std::string& path);

  // Whether the directory that was opened is still what its name means: FAILED_PRECONDITION says
  // what has become of it. A tree stays with the directory that it has, since another one that
  // comes under its name may be a disk that is not mounted yet. Asks the disk.
  absl::Status Check() const;
  // Has the name resolved anew, and is what it means now; false: it is what it was. accept: may say
  // no to the directory (O_PATH), which is the result then. Errors as Open(); it stays as it was
  // then.
  absl::StatusOr<bool> Follow(absl::FunctionRef<absl::Status(int root)> accept) const;

  const std::string& path() const { return path_; }
  // O_PATH, borrowed: the number stays, what it means Follow() changes.
  int fd() const { return fd_.get(); }

 private:
  Root(std::string path, net::UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  net::UniqueFd fd_;  // O_PATH | O_DIRECTORY
};

}  // namespace objmapper::storage
