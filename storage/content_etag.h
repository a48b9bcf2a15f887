// The etag of an object's content: XXH3, 128 bits. The same content has the same one, on any machine and at any time.
//
// It is computed once, when the object is stored, and kept with its file (attributes.h), for as long as nobody changes the file
// (also: its name or mode) behind the server's back. Etag() of object_info.h is the other kind, made of what the file system says
// of a version: it costs nothing, so it is for files that came by another way and for threads that must not wait for their
// content. Both change whenever the content does, and are never mistaken for each other ("xxh3-" begins none of those).
// Source: https://github.com/Cyan4973/xxHash, XXH3_128bits.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "storage/object_info.h"

namespace objmapper::storage {

// The etag of the content of `fd`, open for reading: the known one, or it reads all of it, which waits for the disk: for a thread
// that may. Then it is kept with the file where that is possible, so that the next one need not (that changes the ctime).
// info: of `fd`, a moment ago. ABORTED: the file was changed meanwhile: try again. Else as net::ErrnoToStatus.
absl::StatusOr<std::string> ContentEtag(int fd, const ObjectInfo& info);

// Reads all of `fd`, open for reading, at its own offsets. Waits for the disk. ABORTED: it has another size than `size`.
absl::StatusOr<std::string> ComputeContentEtag(int fd, uint64_t size);

// What STAT tells of an object: the content's etag where it is known, else Etag(info). Does not wait for the content.
std::string EtagOf(int fd, const ObjectInfo& info);

}  // namespace objmapper::storage
