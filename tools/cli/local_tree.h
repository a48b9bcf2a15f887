// Folders of this side: which files are in one, and where in one an object may go.
#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace objmapper::tools {

struct LocalFile {
  std::string path;  // as open(2) takes it
  std::string name;  // below the folder: parts with '/' between them
  uint64_t size = 0;
};

// Tells `file` of every regular file below `folder`, in the order of the names in each, and `error`
// of what is neither file nor folder and of what cannot be looked at; the message names it. A
// symbolic link counts as the file that it leads to; one to a folder is an error, since it may lead
// round in circles. `folder` itself may be one. Empty folders are nothing.
void WalkFolder(const std::string& folder, absl::FunctionRef<void(LocalFile file)> file,
                absl::FunctionRef<void(const std::string& path, const absl::Status& error)> error);

// Whether `path` is a folder, or a symbolic link to one.
bool IsFolder(const std::string& path);

// The size of the regular file `path`. INVALID_ARGUMENT: it is none; else as ErrnoToStatus.
absl::StatusOr<uint64_t> FileSize(const std::string& path);

// Where in `folder` the object `name` goes; the folders on the way are made.
// INVALID_ARGUMENT: the name would lead out of the folder or has no place of its own there ("..",
// ".", an empty part, such as in "/a" or "a/", a NUL); PERMISSION_DENIED: a symbolic link on the
// way, or in its place, could lead out; FAILED_PRECONDITION: something else than a folder is on the
// way, or than a regular file in its place; else as ErrnoToStatus. The message names the object.
absl::StatusOr<std::string> PlaceIn(const std::string& folder, absl::string_view name);

}  // namespace objmapper::tools
