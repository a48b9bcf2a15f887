// STAT: the cache, then the tree. The change count is read before the tree is, so a change in
// between makes the cached entry unusable.
#include "storage/tree/find_description.h"

#include <optional>
#include <utility>

namespace objmapper::storage {

absl::StatusOr<Description> FindDescription(const Tree& tree, StatCache* index,
                                            absl::string_view uri, int64_t now_ns, Wait wait) {
  // Asked before the tree is: a change in between makes the entry one that nobody believes.
  const uint64_t changes = tree.changes();
  if (std::optional<Description> known = index->Find(uri, now_ns, changes); known.has_value())
    return *std::move(known);
  absl::StatusOr<Description> found = tree.Describe(uri, wait);
  if (found.ok()) index->Put(uri, *found, now_ns, changes);
  return found;
}

}  // namespace objmapper::storage
