// What is known of an object besides its bytes.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace objmapper::storage {

// One version of one object. Two infos that compare equal name the same bytes, as far as the file
// system can tell: a writer that changes a file in place within one tick of its ctime is not seen.
struct ObjectInfo {
  uint64_t size = 0;     // bytes
  int64_t mtime_s = 0;   // since the epoch, rounded down: what is told of it
  int64_t mtime_ns = 0;  // the same, as far as it fits (NanosecondsOf()): what tells versions apart
  int64_t ctime_ns = 0;
  dev_t device = 0;
  ino_t inode = 0;
  // When it expires, in seconds since the epoch; 0: never. Says nothing of the version.
  int64_t expires_s = 0;

  friend bool operator==(const ObjectInfo& a, const ObjectInfo& b) {
    return a.size == b.size && a.mtime_s == b.mtime_s && a.mtime_ns == b.mtime_ns &&
           a.ctime_ns == b.ctime_ns && a.device == b.device && a.inode == b.inode;
  }
};

// Nanoseconds since the epoch, before it below 0; times that do not fit (before 1677, after 2262:
// anybody may give a file such) become the first or the last that does.
int64_t NanosecondsOf(const timespec& time);

// A strong validator: differs whenever two infos differ. Printable ASCII, at most 64 bytes.
// Of the version, not of the content: equal bytes in another file have another one. Where the
// content has been read, its own is told instead (description.h).
std::string Etag(const ObjectInfo& info);

// ObjectInfo of an open descriptor (fstat(2)); `uri` names it in errors. FAILED_PRECONDITION when
// it is a directory, PERMISSION_DENIED when it is another thing that is no regular file, or one
// that the kernel makes up, NOT_FOUND when it has expired, else as ErrnoToStatus.
absl::StatusOr<ObjectInfo> InfoOf(int fd, absl::string_view uri);

}  // namespace objmapper::storage
