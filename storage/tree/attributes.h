// What is kept with an object's file beside its bytes: when it expires, and the etag of its
// content.
//
// Extended attributes (xattr(7)) of the user's name space. A file that expires is marked in its
// mode too, with the sticky bit, which means nothing else for a regular file on Linux (inode(7)):
// so an fstat(2), which every opening does, tells for nothing that there is something to look up,
// and the objects that do not expire pay nothing.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "storage/tree/object_info.h"

namespace objmapper::storage {

// fd: open for writing, of a file nobody else has yet. UNIMPLEMENTED: the file system has no
// extended attributes. UNAVAILABLE: no room.
absl::Status SetExpiry(int fd, int64_t expires_s);

// Whether a file of this mode (st_mode) may expire.
inline bool MayExpire(mode_t mode) { return (mode & S_ISVTX) != 0; }
// When, in seconds since the epoch; nullopt: never.
std::optional<int64_t> ExpiryOf(int fd);
// Whether that time has come.
bool IsPast(const std::optional<int64_t>& expires_s);
inline bool HasExpired(int fd) { return IsPast(ExpiryOf(fd)); }

// Keeps `etag` as the one of the content that `fd` has now, unless that is known already. For the
// one who has just written the file, or given it its name, which changes the ctime, and knows that
// the bytes are those. Changes its ctime, and is worth nothing once that has changed again, but for
// the next instant (20 ms): so a file that is rewritten in place later is not taken for what it
// was, though somebody turns its mtime back. False: it is not known now, since the file system
// keeps no such things, is read-only, or was too slow.
bool KeepContentEtag(int fd, const std::string& etag);
// What was kept, if it is still the content's. info: of `fd`, now. One system call; waits for no
// disk but the inode's.
std::optional<std::string> KnownContentEtag(int fd, const ObjectInfo& info);

}  // namespace objmapper::storage
