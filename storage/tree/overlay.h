// What a tree asks before it asks the disk: objects in memory.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "storage/tree/description.h"
#include "storage/tree/object_info.h"

namespace objmapper::storage {

// A regular file, opened O_RDONLY|O_CLOEXEC for this caller alone: its open file description
// (offset, flags, locks) is shared with nobody.
struct OpenedObject {
  net::UniqueFd fd;
  ObjectInfo info;  // of `fd`, so it is true whatever happens to the name
  Tier tier = Tier::kDisk;
};

// Thread-safe. Never waits for a disk, so event loops may ask it. nullopt: it has no such object,
// and the disk is to be asked; an error: it has it, and cannot give it. The URI comes as the client
// sent it, unchecked.
class Overlay {
 public:
  virtual ~Overlay() = default;
  virtual std::optional<absl::StatusOr<OpenedObject>> Open(absl::string_view uri) = 0;
  virtual std::optional<absl::StatusOr<ObjectInfo>> Stat(absl::string_view uri) = 0;
  // Whether Open() would find it; counts as nothing.
  virtual bool Has(absl::string_view uri) const = 0;
};

}  // namespace objmapper::storage
