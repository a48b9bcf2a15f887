// Opens objects through directories that were resolved a moment ago, so that the way to an object
// is not walked for every answer.
//
//   DirectoryCache directories(&tree, 256, absl::Milliseconds(20));
//   absl::StatusOr<OpenedObject> object = directories.OpenObject("a/b/c/model.bin", now_ns);
//
// The last name is looked up afresh each time, so an object that is replaced or deleted is seen at
// once. A directory on the way that is renamed or replaced is seen after `valid` at the latest.
//
// A name that was an object within `valid` is opened without O_NONBLOCK, which saves clearing it. A
// FIFO that takes its place in that time blocks the caller until a signal interrupts it, so a
// thread that uses this wants somebody who watches it (fdpass/lane.h). One thread's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "net/unique_fd.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

class DirectoryCache {
 public:
  // tree: borrowed. entries_max: descriptors that may be kept; 0: none. valid: how long a
  // directory's path is believed; 0: not at all. Then every call is Tree::OpenObject().
  DirectoryCache(const Tree* tree, size_t entries_max, absl::Duration valid);

  // As Tree::OpenObject(uri, wait), errors included: whatever does not work the short way is done
  // the long way. now_ns: a monotonic clock.
  absl::StatusOr<OpenedObject> OpenObject(absl::string_view uri, int64_t now_ns,
                                          Wait wait = Wait::kMayBlock);

  // The same in two steps, for who opens many at once (net/file_batch.h): Locate(), then openat2(2)
  // without following links, then Take().
  struct Place {
    std::shared_ptr<const net::UniqueFd> directory;  // O_PATH
    size_t name_at;  // in the URI: the last name, one that may be opened in the directory
  };
  // nullopt: OpenObject() must do it, and says what is wrong.
  std::optional<Place> Locate(absl::string_view uri, int64_t now_ns, Wait wait);
  // fd: opened at its place. An error: as above.
  absl::StatusOr<OpenedObject> Take(net::UniqueFd fd, absl::string_view uri) const;
  // For who opens without O_NONBLOCK what was an object within `valid`: whether it was; it is.
  bool WasRegular(absl::string_view uri) const;
  void NoteRegular(absl::string_view uri);

 private:
  // What is here is not to be opened before the tree's remote has been asked.
  bool WaitsForRemote(absl::string_view uri, Wait wait) const {
    return wait != Wait::kMayBlock && tree_->MustCheck(uri);
  }
  struct Directory {
    std::shared_ptr<const net::UniqueFd> fd;  // O_PATH
    int64_t resolved_ns = 0;
    absl::flat_hash_set<std::string> regular;  // names seen to be objects since then
  };

  // The directory, resolved within `valid`; nullptr: it cannot be had, or is none.
  Directory* Find(absl::string_view path, int64_t now_ns, Wait wait);

  const Tree* const tree_;
  const size_t entries_max_;
  const int64_t valid_ns_;
  absl::flat_hash_map<std::string, Directory> directories_;
};

}  // namespace objmapper::storage
