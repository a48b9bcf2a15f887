// Where an object goes that a path names: a file that appears under its name whole, or not at all,
// or what is written to as it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/place.h"
#include "net/unique_fd.h"

namespace objmapper::client {

// A new, empty file in its target's folder, without its target's name until Commit(). One that dies
// before is gone; where the file system has O_TMPFILE (open(2)) even when the process is killed.
// Movable. Not thread-safe.
//
// What is replaced lends the new file its permissions (less set-user-ID and set-group-ID, as when
// it is written to), owner, group, access list and user.* attributes. It is another file all the
// same: who has the old one open, or other hard links to it, keeps the old bytes.
//
// Where a file may be written to, but not replaced (the folder takes no new file, it is a mount of
// its own, its owner could not be kept), the bytes wait in a nameless file in $TMPDIR or /tmp, and
// Commit() writes them into it, once the room for them is there.
class NewFile {
 public:
  // What the file is before Commit().
  enum class Meanwhile : uint8_t {
    // O_TMPFILE, or kNamed where there is no such thing, or no /proc to name it by
    kUnnamedIfPossible,
    kNamed,  // ".objmapper-<random>.partial"
  };

  // path: what Commit() will create or replace. Symbolic links are followed, so that what they lead
  // to is made or replaced, and not they. A new file's permissions are 0666 and the umask.
  //
  // Errors: INVALID_ARGUMENT (empty), FAILED_PRECONDITION (a folder, or another thing that is no
  // regular file), PERMISSION_DENIED (a file that may not be written to), or as ErrnoToStatus; the
  // message names the path.
  static absl::StatusOr<NewFile> Create(absl::string_view path,
                                        Meanwhile meanwhile = Meanwhile::kUnnamedIfPossible);
  // The same, for what FindPlace() has found. what: "write PATH", for messages.
  static absl::StatusOr<NewFile> CreateAt(const std::string& what, Place place,
                                          Meanwhile meanwhile = Meanwhile::kUnnamedIfPossible);

  NewFile(NewFile&& other) noexcept
      : fd_(std::move(other.fd_)),
        place_(std::move(other.place_)),
        temporary_(std::exchange(other.temporary_, std::string())),
        in_place_(other.in_place_) {}
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  int fd() const { return fd_.get(); }

  // Gives the file its name, replacing what had it. Call once. Errors as ErrnoToStatus. Where the
  // bytes have to be written into the old file, a disk that fails in the midst of it leaves a part
  // of both; the message says so.
  absl::Status Commit();

 private:
  NewFile(net::UniqueFd fd, Place place, std::string temporary, bool in_place)
      : fd_(std::move(fd)),
        place_(std::move(place)),
        temporary_(std::move(temporary)),
        in_place_(in_place) {}

  static absl::StatusOr<NewFile> CreateBeside(const std::string& what, const Place& place,
                                              Meanwhile meanwhile);
  absl::Status WriteInPlace();

  net::UniqueFd fd_;
  Place place_;            // kNew or kFile
  std::string temporary_;  // the name it has meanwhile; empty: none
  bool in_place_;          // fd_ is elsewhere, and is to be copied
};

// A file that is made or replaced, whole or not at all; or what is written to
// as it is: a device, a FIFO, an open descriptor of this process (/dev/stdout, /dev/fd/N). Movable.
// Not thread-safe.
class Output {
 public:
  // Opens it. A FIFO without a reader is waited for. What FIFOs and files others have put into a
  // folder like /tmp the kernel guards (proc(5), protected_fifos).
  //
  // Errors: as FindPlace() and NewFile::Create(); FAILED_PRECONDITION for a folder, a socket, and a
  // descriptor that is open for reading only or not open.
  static absl::StatusOr<Output> Open(absl::string_view path);

  // Where the bytes go, from its file offset on.
  int fd() const { return file_.has_value() ? file_->fd() : stream_.get(); }

  // All is written. Call once. Errors as NewFile::Commit().
  absl::Status Commit() { return file_.has_value() ? file_->Commit() : absl::OkStatus(); }

 private:
  explicit Output(NewFile file) : file_(std::move(file)) {}
  explicit Output(net::UniqueFd stream) : stream_(std::move(stream)) {}

  std::optional<NewFile> file_;
  net::UniqueFd stream_;
};

// A file without a name in $TMPDIR, or in /tmp, for what may be more than fits in memory; open for
// reading and writing. Errors as ErrnoToStatus; the message names the folder.
absl::StatusOr<net::UniqueFd> TemporaryFile();

}  // namespace objmapper::client
