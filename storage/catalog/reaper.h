// What a server that may write does to its objects by itself: those that have expired go, and when
// the disk is full those that were used longest ago. For CatalogKeeper's thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "storage/catalog/catalog.h"
#include "storage/catalog/disk_limits.h"
#include "storage/catalog/eviction.h"
#include "storage/catalog/unlinked_files.h"
#include "storage/tree/use_marks.h"

namespace objmapper::storage {

class Reaper {
 public:
  struct Options {
    Catalog* catalog = nullptr;  // all outlive it
    DiskLimits* limits = nullptr;
    UnlinkedFiles* unlinked = nullptr;
    UseMarks* marks = nullptr;  // null: nothing is evicted
    DeleteIf delete_if;
    std::function<int64_t()> unix_seconds;  // the clock that objects expire by
    Evicts evicts = Evicts::kAll;           // as Eviction::Options
    Evictable* others = nullptr;
    Evicted evicted;
  };
  explicit Reaper(Options options);

  // Does what is due, as much of it as takes some milliseconds. Returns when to be called again:
  // within a second.
  int64_t Do(int64_t now_ns);

  // Any thread.
  uint64_t expired() const { return expired_.load(std::memory_order_relaxed); }
  const Eviction& eviction() const { return eviction_; }

 private:
  bool Expire(int64_t now_ns);
  bool Evict(int64_t now_ns);
  void TakeMarks(int64_t now_ns);

  const Options options_;
  Eviction eviction_;
  std::atomic<uint64_t> expired_{0};
  int64_t expire_at_ns_ = 0, evict_at_ns_ = 0;  // not before, after a failure
  int64_t turn_at_ns_ = 0;
  // A round of evictions: it frees what was too much when it began.
  DiskLimits::Fill before_;  // it
  uint64_t to_free_ = 0;     // bytes, that are left to do; 0: it is over
  uint64_t freed_ = 0;
  int64_t patience_ns_ = 0;  // until then those bytes may come back
};

}  // namespace objmapper::storage
