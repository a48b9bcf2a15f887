// Small objects as copies in memory, for those who answer with them at once.
//
//   const SmallObject* object = small.Find("labels/7.json", now_ns);
//   if (object != nullptr) out->append(object->bytes.get(), object->info.size);
//
// Never waits for a disk. One thread's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "storage/tree/object_info.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

struct SmallObject {
  ObjectInfo info;
  std::unique_ptr<char[]> bytes;  // info.size of them, at most kSnapshotBytesMax (load.h)
  std::string etag;               // empty unless it was asked for
};

class SmallObjects {
 public:
  // tree: borrowed. entries_max: how many are kept, each of kSnapshotBytesMax at most; 0: none, and
  // Find() finds nothing. valid: how long a copy is believed before the file system is asked again.
  SmallObjects(const Tree* tree, size_t entries_max, absl::Duration valid);

  // The object, as it was within `valid`, and since this server last changed anything. nullptr:
  // somebody else must answer, for it is large, or not in the kernel's caches, or cannot be had, or
  // its origin has to be asked again.
  // Valid until the next call. now_ns: a monotonic clock. etag: it is wanted too.
  const SmallObject* Find(absl::string_view uri, int64_t now_ns, bool etag = false);

 private:
  struct Entry {
    SmallObject object;
    int64_t checked_ns = 0;
    uint64_t changes = 0;  // Tree::changes(), before it was checked
  };

  const Tree* const tree_;
  const size_t entries_max_;
  const int64_t valid_ns_;
  absl::flat_hash_map<std::string, Entry> entries_;
};

}  // namespace objmapper::storage
