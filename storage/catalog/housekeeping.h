// The catalog and all that lives by it, in one piece: what a server has of it, and what its Store
// tells it.
//
//   Housekeeping house(options);
//   house.Start(delete_if);  // once rights are given up: the walk begins
//   house.Changed("a/b");    // after each change, before anybody is told of it
//
// Thread-safe but for Start() and Stop().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "net/unique_fd.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/catalog_feed.h"
#include "storage/catalog/catalog_keeper.h"
#include "storage/catalog/disk_limits.h"
#include "storage/catalog/eviction.h"
#include "storage/catalog/reaper.h"
#include "storage/catalog/unlinked_files.h"
#include "storage/tree/tree.h"
#include "storage/tree/use_marks.h"

namespace objmapper::storage {

class Housekeeping {
 public:
  struct Options {
    const Tree* tree = nullptr;  // outlives it
    size_t watches_max = 0;      // as CatalogKeeper::Options
    absl::Duration rescan = absl::Minutes(1);
    DiskLevel evict_at, refuse_at;         // as DiskLimits::Options
    uint64_t catalog_memory = UINT64_MAX;  // bytes
    bool warn_of_folding = false;          // as CatalogKeeper::Options
    uint32_t peer_percent = 100;
    Evicts evicts = Evicts::kAll;       // as Eviction::Options
    Evictable* others = nullptr;        // outlives it
    Evicted evicted;                    // as Eviction::Options
    std::function<void()> each_second;  // as CatalogKeeper::Options
  };
  explicit Housekeeping(const Options& options);
  ~Housekeeping() { Stop(); }

  // Begins to walk the tree and to follow it. delete_if: how objects that have expired, or have to
  // make room, are removed; null: nothing is ever removed, else what killed puts have left behind
  // goes too.
  void Start(DeleteIf delete_if);
  // The tree has followed its root: all that is known is of another directory. It is walked anew.
  // Any thread.
  void FollowRoot();
  // No object is removed any more, and what is known grows old. What else there is may be called
  // on.
  void Stop();

  // ---- For who stores and deletes ----
  // UNAVAILABLE: one more object would be more than the catalog may hold.
  absl::Status CheckCatalogRoom(absl::string_view uri) const;
  // Room for an object that is to be stored, to be kept until Changed() or until it is given up.
  DiskLimits& limits() { return limits_; }
  // `uri` has been stored or deleted.
  void Changed(absl::string_view uri) { feed_.Refresh(uri); }
  // A file that has just lost its name, open for reading.
  void Unlinked(net::UniqueFd file) { unlinked_.Take(std::move(file)); }

  // All there is, once complete() says so.
  const Catalog& catalog() const { return catalog_; }
  // Where uses are to be marked; null: they are of no interest.
  UseMarks* marks() { return options_.evict_at.of == DiskLevel::Of::kNothing ? nullptr : &marks_; }

  // For operators.
  struct Counts {
    bool complete = false;
    uint64_t objects = 0, bytes = 0;
    uint64_t pinned_bytes = 0;            // of these; parts of objects, too
    uint64_t watched = 0, unwatched = 0;  // directories
    uint64_t rescans = 0;
    uint64_t expired = 0;
    uint64_t evicted = 0, evicted_bytes = 0;
    uint64_t refused = 0;
    uint64_t used_bytes = 0;  // as --disk_evict_at and --disk_refuse_at count them
    uint64_t evict_at_bytes = 0, refuse_at_bytes = 0;  // 0: no such level
    uint64_t unlinked = 0, unlinked_bytes = 0, unlinked_untold = 0;
  };
  Counts Read() const;

 private:
  const Options options_;
  Catalog catalog_;
  UnlinkedFiles unlinked_;
  UseMarks marks_;
  CatalogFeed feed_;
  DiskLimits limits_;
  std::unique_ptr<Reaper> upkeep_;         // null: nothing is removed
  std::unique_ptr<CatalogKeeper> keeper_;  // null before Start()
};

}  // namespace objmapper::storage
