// A map of shared descriptors; an entry is looked up again when its valid time has passed.
#include "fdpass/shared_fds.h"

#include <utility>

namespace objmapper::fdpass {

absl::StatusOr<std::shared_ptr<const storage::OpenedObject>> SharedFds::Open(absl::string_view uri,
                                                                             int64_t now_ns) {
  const uint64_t changes = tree_->changes();
  const auto found = entries_.find(uri);
  if (found != entries_.end()) {
    Entry& entry = found->second;
    if (now_ns - entry.checked_ns < valid_ns_ && entry.changes == changes) return entry.object;
    const absl::StatusOr<storage::ObjectInfo> info = tree_->Stat(uri, storage::Wait::kMayBlock);
    if (info.ok() && *info == entry.object->info) {
      entry.checked_ns = now_ns;
      entry.changes = changes;
      return entry.object;
    }
    entries_.erase(found);
  }
  absl::StatusOr<storage::OpenedObject> opened = tree_->OpenObject(uri, storage::Wait::kMayBlock);
  if (!opened.ok()) return std::move(opened).status();
  auto object = std::make_shared<const storage::OpenedObject>(*std::move(opened));
  // Full: an arbitrary one goes. Opening it again costs what not sharing would.
  if (entries_.size() >= entries_max_) entries_.erase(entries_.begin());
  entries_.emplace(std::string(uri), Entry{object, now_ns, changes});
  return object;
}

}  // namespace objmapper::fdpass
