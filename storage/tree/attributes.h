// What is kept with an object's file beside its bytes: when it expires, the etag of its content,
// where it was fetched from, and that it is to stay.
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
#include "absl/strings/string_view.h"
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

// The mark of an object that was fetched from elsewhere (origin/cache/mark.h says what it is made
// of). An object without one is this disk's own. All of one file's attributes have to fit a block
// of 4 KiB on ext4, which leaves a mark this much.
inline constexpr size_t kOriginMarkMax = 3072;  // bytes
// fd: as SetExpiry(), or of an object that has one. At once: a reader finds the old mark or the new
// one. Changes the ctime. UNIMPLEMENTED: the file system has no extended attributes. OUT_OF_RANGE:
// it is too long. UNAVAILABLE: no room.
absl::Status SetOriginMark(int fd, absl::string_view mark);
// nullopt: it has none. O_PATH is enough.
std::optional<std::string> OriginMarkOf(int fd);

// Whether an object is never to be evicted. Changes the ctime, and keeps the etag of the content.
// Errors as SetOriginMark().
absl::Status SetPinned(int fd, bool pinned);
bool IsPinned(int fd);

struct Kind {
  bool fetched = false;  // it has an origin's mark
  bool pinned = false;
};
// Of the file `name` in `directory` (borrowed; O_PATH will do), which is not followed; of one that
// has no such attributes, in one system call.
Kind KindOf(int directory, const std::string& name);
// The same of an open one; O_PATH is enough.
Kind KindOf(int fd);

}  // namespace objmapper::storage
