// Where an object goes that a path names.
#pragma once

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/new_file.h"
#include "net/unique_fd.h"

namespace objmapper::client {

// A file that is made or replaced, whole or not at all (client/new_file.h); or what is written to
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

}  // namespace objmapper::client
