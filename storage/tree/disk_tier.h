// A tree's files, as they are on the disk: opened so that no URI can leave the root.
//
// Symbolic links are followed as long as they stay under the root. What is in memory instead of the
// disk, or besides, this knows nothing of (tree.h).
#pragma once

#include <limits.h>
#include <string.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "storage/tree/description.h"
#include "storage/tree/object_info.h"
#include "storage/tree/overlay.h"
#include "storage/tree/reserved_name.h"
#include "storage/tree/root.h"
#include "storage/tree/slow_opens.h"
#include "storage/tree/use_marks.h"

namespace objmapper::storage {

// How many components a URI may have: far more than anybody's folders, and few enough that to walk
// down all of them costs microseconds. Doubled slashes and "." make none.
inline constexpr size_t kDepthMax = 256;
bool IsDeeperThan(absl::string_view uri, size_t levels);

// kMayBlock: the disk may be asked for directories and inodes.
// kCachedOnly: answered from the kernel's caches or not at all (RESOLVE_CACHED), nor opened on a
// file system where that is known to take long (slow_opens.h); for event loops.
// kMayFetch: as kMayBlock, and for an object that is elsewhere (remote.h) until it is here; what
// has no remote to ask takes it for kMayBlock.
enum class Wait : uint8_t { kMayBlock, kCachedOnly, kMayFetch };

// Thread-safe: any number of threads may call it at once. Movable.
class DiskTier {
 public:
  explicit DiskTier(Root root) : root_(std::move(root)) {}

  const Root& root() const { return root_; }

  // As Tree's that ask the overlay first (OpenObject() and so on), errors included.
  absl::StatusOr<OpenedObject> Open(absl::string_view uri, Wait wait) const;
  absl::StatusOr<ObjectInfo> Stat(absl::string_view uri, Wait wait) const;
  absl::StatusOr<Description> Describe(absl::string_view uri, Wait wait) const;

  // Whether a URI could name an object: its errors are those that Open() finds before it asks the
  // file system.
  static absl::Status CheckName(absl::string_view uri);

  // A directory of the tree, O_PATH: the start of walks for OpenIn(). Errors as Open(), and
  // NOT_FOUND when it is no directory. An empty path is the root.
  absl::StatusOr<net::UniqueFd> OpenDirectory(absl::string_view path, Wait wait) const;

  // Opens `name` in `directory` (from OpenDirectory(), borrowed). A name of one component that is
  // no symbolic link cannot lead anywhere else, so nothing more has to be checked on the way.
  // `uri` names the object in errors, which are not as exact as Open()'s: ask that again when it
  // matters. PERMISSION_DENIED: also for a symbolic link, and a name that is no plain one.
  // seen_regular: the name was an object a moment ago, so O_NONBLOCK is not asked for and need not
  // be cleared. Should it have become a FIFO since, this blocks until a signal comes
  // (RESOURCE_EXHAUSTED). wait: as for Open().
  absl::StatusOr<OpenedObject> OpenIn(int directory, absl::string_view name, absl::string_view uri,
                                      bool seen_regular, Wait wait) const;

  // Which file systems are slow to open files on.
  SlowOpens& slow_opens() const { return *slow_opens_; }

  // From now on each object that is found is marked in `marks`, which outlives this; null: in none.
  // Before threads share it.
  void MarkUses(UseMarks* marks) { marks_ = marks; }

 private:
  void MarkUse(absl::string_view uri) const {
    if (marks_ != nullptr) marks_->Used(uri);
  }
  absl::StatusOr<net::UniqueFd> Resolve(absl::string_view uri, int flags, Wait wait) const;
  // What is to be done elsewhere, by who must not wait: the file that `uri` names, and `name` in
  // `directory`, is on a file system where opening takes long.
  bool IsSlow(absl::string_view uri) const;
  bool IsSlow(int directory, const char* name) const;
  // An open has failed.
  void NoteFailure(const SlowOpens::Timer& timer, absl::string_view uri, Wait wait) const;

  Root root_;
  UseMarks* marks_ = nullptr;
  std::unique_ptr<SlowOpens> slow_opens_ = std::make_unique<SlowOpens>();
};

// Whether `name` is one component that can only be an object's name in its directory: not empty,
// ".", "..", too long, reserved (reserved_name.h), nor with a slash or NUL.
inline bool IsPlainName(absl::string_view name) {
  return !name.empty() && name.size() <= NAME_MAX && name != "." && name != ".." &&
         !IsReservedName(name) && memchr(name.data(), '/', name.size()) == nullptr &&
         memchr(name.data(), '\0', name.size()) == nullptr;
}

}  // namespace objmapper::storage
