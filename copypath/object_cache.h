// The copypath's own descriptors and mappings, by URI: bounded, least recently used first out.
//
// They are never passed to a client and every read of them is positional, so sharing one among
// connections is safe, unlike a descriptor that goes out (DESIGN: a passed descriptor is opened
// fresh). One loop's, touched by its thread alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "copypath/cached_object.h"

namespace objmapper::copypath {

class ObjectCache {
 public:
  // entries_max: 0 keeps nothing beyond its use. copies_max: bytes of objects' copies in memory,
  // all together.
  explicit ObjectCache(size_t entries_max, size_t copies_max = SIZE_MAX)
      : entries_max_(entries_max), copies_max_(copies_max) {}
  ~ObjectCache();

  // The object kept under `uri`, whatever its state and age, or nullptr. Makes it the most recent.
  CachedObject* Find(absl::string_view uri);

  // Keeps `object` under its URI, in place of what was there. The least recent objects beyond
  // entries_max and copies_max go; those that somebody holds a reference to live on until they are
  // done with.
  void Insert(CachedObject* object);

  // `object`, which may be kept here, has been filled: now its copy counts.
  void NoteFilled(CachedObject* object);

  // Forgets `object` if it is the one kept under its URI.
  void Erase(CachedObject* object);

  // Forgets objects that have no name left: deleted, replaced or evicted ones, whose bytes nobody
  // gets back while they are open; and those in memory, which never had one, to be opened again
  // when they are asked for; and those that are on their way here, which are kept for the moment in
  // which many ask. One fstat(2) for each object that is kept.
  void DropNameless();
  // Only the latter.
  void DropFillings();

  size_t size() const { return objects_.size(); }
  size_t copies_bytes() const { return copies_bytes_; }

 private:
  void Drop(CachedObject* object);
  void DropExcess();

  const size_t entries_max_;
  const size_t copies_max_;
  size_t copies_bytes_ = 0;  // what objects_ have counted
  // Keys point into the objects.
  absl::flat_hash_map<absl::string_view, CachedObject*> objects_;
  std::list<CachedObject*> lru_;  // most recent first
};

}  // namespace objmapper::copypath
