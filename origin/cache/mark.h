// Where an object on the disk was fetched from: its mark, an extended attribute of its file.
//
//   if (std::optional<Mark> mark = ReadMark(object.fd.get()); !mark) ...  // this disk's own
//
// The mark decides whose an object is. One without a mark is never evicted for an origin's sake,
// replaced or revalidated; a mark that cannot be read is none. One with a mark is the cache's, also
// where somebody has written into its file: then IsUnchanged() says so, and it counts as damaged.
// Who wants to put an object of his own in its place replaces the file (rename(2)), which takes the
// mark with it.
//
// A file system without extended attributes keeps no object of an origin: CheckMarks() says so, and
// what is fetched goes through uncached. A second file beside each object would be no substitute,
// since the two could not be given their names in one step.
//
// All functions are thread-safe; all wait for the disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "storage/tree/tree.h"

namespace objmapper::origin {

struct Mark {
  std::string uri;     // the object's, as clients ask for it
  std::string source;  // its URL at the origin
  // The version, as the origin wrote it, quotes and "W/" included; empty: it sent none.
  std::string etag;
  // When it was changed last, as the origin says; seconds since the epoch, nullopt: it says
  // nothing.
  std::optional<int64_t> last_modified_s;
  uint64_t size = 0;               // bytes
  std::optional<uint32_t> crc32c;  // of its bytes (crc32c.h)
  int64_t fetched_s = 0;           // when it had come, in seconds since the epoch
  // When the origin last said that this is its version, as far as that was written down: each
  // writing changes the file's ctime and costs the disk a write. Who checks often remembers it in
  // memory, and writes it when that has grown old.
  int64_t checked_s = 0;
  int64_t mtime_ns = 0;  // the file's, with which it was published: WriteMark() sets it

  friend bool operator==(const Mark&, const Mark&) = default;
};

// As text, of printable ASCII: "1 uri=... source=... size=...".
std::string EncodeMark(const Mark& mark);
// nullopt: it is none, or one of a later kind.
std::optional<Mark> ParseMark(absl::string_view text);

// Whether marks can be kept under this root at all. UNIMPLEMENTED: its file system has no extended
// attributes. Else what making a file there says. For the start.
absl::Status CheckMarks(const storage::Tree& tree);

// Marks a file that has all its bytes and is not published yet. Its mtime becomes the origin's time
// of the last change, where that is known and not to come, so that every node tells clients the
// same; its atime, by which it is evicted, becomes now. fd: open for writing; borrowed. Errors as
// storage::SetOriginMark().
absl::Status WriteMark(int fd, Mark mark);

// The same for an object that is published: it has been checked, or its origin calls the same bytes
// something else now. Its mark is replaced at once, its times but the ctime stay, and so does the
// etag that clients know. fd: any descriptor of it but of O_PATH.
absl::Status UpdateMark(int fd, const Mark& mark);

// nullopt: the object is none of an origin's. fd: O_PATH is enough.
std::optional<Mark> ReadMark(int fd);

// Whether the file is still what was published: its size and its mtime are. False: somebody has
// written into it here, or a crash of the machine has taken a part of it.
bool IsUnchanged(int fd, const Mark& mark);

// Whether `etag`, as an origin wrote it, is a strong validator (RFC 9110, 8.8.1): only such may
// stand in If-Match, so that parts of two versions never meet.
bool IsStrong(absl::string_view etag);

// The etag that clients are told of the object: the origin's own where it is a strong one that
// docs/protocol.md has room for, without its quotes; else one made of the version's facts. The same
// on every node, and nothing has to be read for it.
std::string ClientEtag(const Mark& mark);

}  // namespace objmapper::origin
