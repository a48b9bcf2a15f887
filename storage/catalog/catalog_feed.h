// What the disk says, brought into the catalog: an object, or a directory's.
//
// Symbolic links are not followed: one is noted as what may lead to an object, and whoever needs to
// know looks then. What lies in a directory that one leads to is where it is. Names that the server
// keeps for itself are no objects.
#pragma once

#include <atomic>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "storage/catalog/catalog.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

// Thread-safe.
class CatalogFeed {
 public:
  // Both outlive it.
  CatalogFeed(const Tree* tree, Catalog* catalog) : tree_(tree), catalog_(catalog) {}

  // `uri` as the catalog has it: a client may have written more slashes, or ".".
  static std::string NameOf(absl::string_view uri);

  // Afterwards the catalog says of `uri` what the disk said at some moment since the call. To be
  // called by whoever has changed it, before anybody is told of the change. Some microseconds; may
  // wait for the disk. What cannot be asked (no descriptors) stays as it was, and TakeLost() says
  // so.
  void Refresh(absl::string_view uri);

  // A directory, open for Read(); "" is the root. NOT_FOUND: there is none, or it is a symbolic
  // link; PERMISSION_DENIED: it may not be read; else as ErrnoToStatus.
  absl::StatusOr<net::UniqueFd> OpenDirectory(const std::string& path) const;

  // Brings all objects directly in `directory` (of OpenDirectory(path)) into the catalog, and takes
  // out those that are gone.
  //
  // on_directory: is told the path of each directory in it, and of each that the catalog still
  //               thinks is.
  // between:      is called after every few objects; false ends it all. False is then what Read()
  //               returns.
  bool Read(net::UniqueFd directory, const std::string& path,
            absl::FunctionRef<void(std::string path)> on_directory,
            absl::FunctionRef<bool()> between);

  // From now on Read() removes what puts that were killed have left in a directory (leftovers.h),
  // which is to be had for nothing where all names are read anyway.
  void RemoveLeftovers() { removes_leftovers_.store(true, std::memory_order_relaxed); }

  // From now on it is noted of each object whether it was fetched from an origin, and whether it is
  // pinned: one more system call for each that is looked at. Before the first walk.
  void NoteKinds() { notes_kinds_.store(true, std::memory_order_relaxed); }

  // Whether something could not be asked since the last call: then the catalog may be wrong until
  // the tree is walked anew.
  bool TakeLost() { return lost_.exchange(false); }

 private:
  void DropVanished(const std::string& path,
                    absl::FunctionRef<bool(absl::string_view name, bool directory)> seen,
                    absl::FunctionRef<void(std::string path)> on_directory);

  const Tree* const tree_;
  Catalog* const catalog_;
  std::atomic<bool> lost_{false};
  std::atomic<bool> removes_leftovers_{false};
  std::atomic<bool> notes_kinds_{false};
};

}  // namespace objmapper::storage
