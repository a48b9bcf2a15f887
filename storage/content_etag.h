// The etag of an object's content: XXH3, 128 bits. The same content has the same one, on any machine and at any time.
//
// It is computed once, when the object is stored, and kept with its file (attributes.h), for as long as nobody changes the file
// (also: its name or mode) behind the server's back. Etag() of object_info.h is the other kind, made of what the file system says
// of a version: it costs nothing, so it is for files that came by another way. Both change whenever the content does, and are
// never mistaken for each other ("xxh3-" begins none of those). description.h tells which of them an answer carries.
// Source: https://github.com/Cyan4973/xxHash, XXH3_128bits.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace objmapper::storage {

// Reads all of `fd`, open for reading, at its own offsets. Waits for the disk. ABORTED: it has another size than `size`.
// Else as net::ErrnoToStatus.
absl::StatusOr<std::string> ComputeContentEtag(int fd, uint64_t size);

}  // namespace objmapper::storage
