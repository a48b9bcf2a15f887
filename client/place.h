// What a path leads to that is to be written: a file to make or to replace, or something that is
// written to as it is.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace objmapper::client {

struct Place {
  enum class Kind : uint8_t {
    kNew,   // nothing is there yet
    kFile,  // a regular file
    kFolder,
    kStream,  // a device or a FIFO
    kSocket,
    kDescriptor,  // an open one of this process: /dev/stdout, /dev/fd/N, /proc/self/fd/N
  };
  Kind kind = Kind::kNew;
  std::string path;             // behind all links; not of kDescriptor
  int fd = -1;                  // kDescriptor: its number, which need not be open
  struct stat attributes = {};  // kFile, kStream
  // kFile: false for another process's open file (/proc/PID/fd/N), which has no name here to be
  // replaced under.
  bool has_name = true;
};

// Follows `path` through all its symbolic links, a last one that leads to nothing too. It is looked
// at link by link, since those of /proc/PID/fd are no names: what is behind them may be deleted, or
// never have had one. Links that the kernel would not follow (proc(5), protected_symlinks) are not
// followed here either.
//
// The answer is as of now: whoever may write to the folders on the way may change it.
// Errors: INVALID_ARGUMENT (empty, a NUL in it, "new/" for what is no folder), or as ErrnoToStatus;
// the message names `path`. Any thread.
absl::StatusOr<Place> FindPlace(absl::string_view path);

// The folder of the last name in `path`: "a/b" -> "a", "b" -> ".", "/b" -> "/".
std::string FolderOf(const std::string& path);

}  // namespace objmapper::client
