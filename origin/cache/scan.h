// What a server that starts finds in the folder that is kept for origins (place.h): part-filled
// objects, and those under encoded names. What is of no use is removed: bytes without a map, a map
// without bytes, a map that is damaged or of something else, an object whose mark does not say its
// name or whose file has changed.
//
// No content is read: a part-filled object's blocks are compared with their checksums when they are
// first asked for (partial_object.h). What a process that lives is at work with is left alone, also
// another one's on the same root, such as the predecessor's in a hot restart.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "storage/tree/tree.h"

namespace objmapper::origin {

struct Found {
  enum class Kind : uint8_t { kPart, kWhole };
  Kind kind = Kind::kPart;
  std::string uri;
  uint64_t bytes = 0;   // that it takes on the disk
  uint32_t used_s = 0;  // when it was last read or written, as the kernel says
  bool pinned = false;
  uint64_t size = 0;    // kWhole: the object's
  int64_t mtime_s = 0;  // likewise; since the epoch
};

struct Scanned {
  std::vector<Found> found;
  uint64_t removed = 0;  // files
  uint64_t busy = 0;     // part-filled objects that somebody is at work with: not among the found
};

// Any thread; waits for the disk. Errors as storage::DiskError(); that there is no such folder is
// none.
absl::StatusOr<Scanned> Scan(const storage::Tree& tree);

// What there is to be said of a file that is open.
Found LookAt(Found::Kind kind, const std::string& uri, int fd);

// Removes the part-filled object of `uri`. False: somebody is at work with it, or there is none.
bool RemovePart(const storage::Tree& tree, const std::string& uri);

}  // namespace objmapper::origin
