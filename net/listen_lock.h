// Keeps servers that start at once on one socket's path from taking each other's file away.
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/unique_fd.h"

namespace objmapper::net {

// An flock(2) on a file beside the socket, ".NAME.lock", of mode 0600: nobody else can open it, and
// so hold the lock. It is there only while a server begins to listen. Movable.
class ListenLock {
 public:
  // Takes the lock of `socket_path`. what: begins messages ("listen on unix:/x").
  //
  // Errors:
  //   UNAVAILABLE          another process of ours has held it for seconds
  //   FAILED_PRECONDITION  something is in the file's place that somebody else has power over: not
  //                        a regular file, not empty, open to others, or of an owner who is neither
  //                        we, root nor the folder's; the message names the file and its owner
  //   else                 as ErrnoToStatus: the folder is missing or may not be written to
  static absl::StatusOr<ListenLock> Take(const std::string& socket_path, absl::string_view what);

  ListenLock(ListenLock&&) = default;
  ListenLock& operator=(ListenLock&&) = delete;
  // Removes the file and unlocks.
  ~ListenLock();

 private:
  ListenLock(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;
};

}  // namespace objmapper::net
