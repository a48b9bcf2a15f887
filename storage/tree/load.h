// Opens an object, and reads it when it is small.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "net/unique_fd.h"
#include "storage/tree/object_info.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

// Objects up to this size are kept as a copy: one send then takes header and body from memory, and
// no file that shrinks can get in between.
inline constexpr size_t kSnapshotBytesMax = 16 * 1024;

// Fills `out` with the bytes at `offset` of `fd`. UNAVAILABLE: kCachedOnly, and some are not in the
// page cache (preadv2(2), RWF_NOWAIT). ABORTED: the object `uri` has become shorter. Any thread.
absl::Status ReadAt(int fd, uint64_t offset, absl::Span<char> out, Wait wait,
                    absl::string_view uri);

struct LoadedObject {
  net::UniqueFd fd;
  ObjectInfo info;
  Tier tier = Tier::kDisk;
  // info.size bytes; null when the object is larger than was asked for
  std::unique_ptr<char[]> snapshot;
};

// snapshot_max: objects of at most so many bytes are copied.
//
// Any thread. Errors as Tree::OpenObject(); kCachedOnly: also UNAVAILABLE when the bytes of a small
// object are not in the page cache (preadv2(2), RWF_NOWAIT). RESOURCE_EXHAUSTED: it changed each
// time that it was read. PERMISSION_DENIED: also of a file that says it is empty, and is not.
absl::StatusOr<LoadedObject> Load(const Tree& tree, absl::string_view uri, Wait wait,
                                  size_t snapshot_max = kSnapshotBytesMax);

}  // namespace objmapper::storage
