// A file that appears under its name whole, or not at all.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/unique_fd.h"

namespace objmapper::client {

// A new, empty file in its target's folder, without its target's name until Commit(). One that dies
// before is gone; where the file system has O_TMPFILE (open(2)) even when the process is killed.
// Movable. Not thread-safe.
class NewFile {
 public:
  // What the file is before Commit().
  enum class Meanwhile : uint8_t {
    kUnnamedIfPossible,  // O_TMPFILE, or kNamed where the file system has no such thing
    kNamed,              // ".objmapper-<random>.partial"
  };

  // path: what Commit() will create or replace. A symbolic link is followed, so that its target is
  // replaced and not the link. Permissions are those of any new file (0666 and the umask).
  //
  // Errors: INVALID_ARGUMENT (empty), FAILED_PRECONDITION (a folder, or another thing that is no
  // regular file), or as ErrnoToStatus; the message names the path.
  static absl::StatusOr<NewFile> Create(absl::string_view path,
                                        Meanwhile meanwhile = Meanwhile::kUnnamedIfPossible);

  NewFile(NewFile&& other) noexcept
      : fd_(std::move(other.fd_)),
        target_(std::move(other.target_)),
        temporary_(std::exchange(other.temporary_, std::string())) {}
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  int fd() const { return fd_.get(); }

  // Gives the file its name, replacing what had it. Call once. Errors as ErrnoToStatus.
  absl::Status Commit();

 private:
  NewFile(net::UniqueFd fd, std::string target, std::string temporary)
      : fd_(std::move(fd)), target_(std::move(target)), temporary_(std::move(temporary)) {}

  net::UniqueFd fd_;
  std::string target_;
  std::string temporary_;  // the name it has meanwhile; empty: none
};

}  // namespace objmapper::client
