// A bounded map of copies of small objects. When its valid time has passed, a copy is compared with
// the file's version before it is used again.
#include "storage/tree/small_objects.h"

#include <utility>

#include "storage/tree/load.h"

namespace objmapper::storage {

SmallObjects::SmallObjects(const Tree* tree, size_t entries_max, absl::Duration valid)
    : tree_(tree), entries_max_(entries_max), valid_ns_(absl::ToInt64Nanoseconds(valid)) {}

const SmallObject* SmallObjects::Find(absl::string_view uri, int64_t now_ns, bool etag) {
  if (entries_max_ == 0) return nullptr;
  const uint64_t changes = tree_->changes();
  const auto found = entries_.find(uri);
  if (found != entries_.end()) {
    Entry& entry = found->second;
    const bool enough = !etag || !entry.object.etag.empty();
    if (enough && now_ns - entry.checked_ns <= valid_ns_ && entry.changes == changes)
      return tree_->MustCheck(uri) ? nullptr : &entry.object;
    const absl::StatusOr<ObjectInfo> info = tree_->Stat(uri, Wait::kCachedOnly);
    if (enough && info.ok() && *info == entry.object.info) {
      entry.checked_ns = now_ns;
      entry.changes = changes;
      return &entry.object;
    }
    entries_.erase(found);
  }
  absl::StatusOr<LoadedObject> loaded = Load(*tree_, uri, Wait::kCachedOnly);
  if (!loaded.ok() || loaded->snapshot == nullptr) return nullptr;
  // Full: an arbitrary one goes. Loading it again costs an open and a read from the page cache.
  if (entries_.size() >= entries_max_) entries_.erase(entries_.begin());
  Entry entry{{loaded->info, std::move(loaded->snapshot), ""}, now_ns, changes};
  if (etag) entry.object.etag = EtagOf(loaded->fd.get(), loaded->info, loaded->tier);
  return &entries_.emplace(std::string(uri), std::move(entry)).first->second.object;
}

}  // namespace objmapper::storage
