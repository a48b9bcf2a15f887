// The etag of an object's content: XXH3, 128 bits. The same content has the same one, on any machine and at any time.
//
// It is computed once, when the object is stored, and kept with its file (attributes.h). Etag() of object_info.h is the other
// kind, made of what the file system says of a version: for files that came by another way and whose content nobody has read
// yet. Both change whenever the content does.
// Source: https://github.com/Cyan4973/xxHash, XXH3_128bits.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "storage/object_info.h"

namespace objmapper::storage {

// Reads all of `fd`, open for reading, at its own offsets. Waits for the disk. ABORTED: it has another size than `size`.
absl::StatusOr<std::string> ComputeContentEtag(int fd, uint64_t size);

// What STAT tells of an object: the content's etag where it is known, else Etag(info). Does not wait for the content.
std::string EtagOf(int fd, const ObjectInfo& info);

}  // namespace objmapper::storage
