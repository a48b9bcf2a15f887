// Bytes of an object as they were promised: read from its file, which unlike a mapping shows where
// it has been cut, and none of another version.
//
// Never waits for a disk. The thread of the object's loop.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "copypath/cached_object.h"

namespace objmapper::copypath {

// Whether the object is still the version that was promised: not shorter, and not rewritten at the
// same length. What was only appended to, renamed or deleted is as good as it was. ABORTED: it is
// not.
absl::Status CheckUnchanged(const CachedObject& object);

// Reads [offset, offset+bytes) of the object into `out`. The pages are expected in the cache:
// UNAVAILABLE when they are not; ABORTED when the object has become shorter.
absl::Status ReadAtHand(const CachedObject& object, uint64_t offset, size_t bytes, char* out);
// And then asks CheckUnchanged().
absl::Status ReadChecked(const CachedObject& object, uint64_t offset, size_t bytes, char* out);

}  // namespace objmapper::copypath
