// A file that is an object but for its name: all its bytes are there, and what is kept beside them.
// Whoever writes objects elsewhere than where they belong (origin/cache/) has it given its name by
// Store::BeginWhole().
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/store/new_file.h"

namespace objmapper::storage {

struct WholeFile {
  int fd = -1;  // open for reading and writing; borrowed
  // It has this name, which is reserved, in that directory: both are left alone unless it becomes
  // the object.
  int folder = -1;
  std::string name;
  std::string etag;  // of its content (attributes.h), as its owner knows it
  // Puts what is kept beside its bytes on a copy: where the object belongs on another file system.
  std::function<absl::Status(int copy)> dress;
};

// It as the new file `name` of a directory (borrowed): itself, or where a rename does not reach a
// copy. Errors as NewFile::Make() and CopyFile().
absl::StatusOr<NewFile> FileOf(const WholeFile& whole, int directory, const std::string& name);

}  // namespace objmapper::storage
