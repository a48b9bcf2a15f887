// What is served: the tree, the tier in memory above it, what is remembered of objects, the catalog
// and what lives by it, and the store.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "origin/cache/shelf.h"
#include "server/admin/vitals.h"
#include "server/flags/config.h"
#include "server/origin_side.h"
#include "storage/catalog/housekeeping.h"
#include "storage/memory/memory_tier.h"
#include "storage/store/store.h"
#include "storage/tree/root_watch.h"
#include "storage/tree/stat_cache.h"
#include "storage/tree/tree.h"

namespace objmapper::server {

class Storage {
 public:
  // config: outlives it. Errors: the root cannot be had, or memory for objects; the message is for
  // the operator.
  static absl::StatusOr<std::unique_ptr<Storage>> Open(const Config& config);
  // Stops to remove objects first.
  ~Storage();

  // Once rights are given up: begins to walk the tree, removes what is to go, and fetches what is
  // not here. Errors: what interrupted PUTs have left cannot be looked for.
  absl::Status StartHousekeeping();
  // No object is fetched any more, and who waits for one is told. Before those stop who wait.
  void StopFetching();
  // As OriginSide::ReadAgain(); nullopt: there are no origins.
  std::optional<absl::StatusOr<size_t>> ReloadOrigins();

  // Has the name of the root looked up again, and serves what it means now; OK, too, where that is
  // what it was. Says in the log what it found. Errors: as Tree::Open(), and FAILED_PRECONDITION
  // where there are rules and names there do not tell upper from lower case; then the root stays.
  absl::Status FollowRoot();
  // What has become of the root, as RootWatch::Check(). Any thread; may wait for the disk.
  absl::Status CheckRoot() { return root_watch_.Check(); }

  const storage::Tree& tree() const { return tree_; }
  storage::StatCache* index() { return &index_; }
  storage::Store* store() { return store_.get(); }
  OriginSide* origins() { return origins_.get(); }  // null: there are none

  // Its part of the figures. Any thread.
  void Read(Vitals* vitals) const;

 private:
  Storage(const Config& config, storage::Tree tree);

  const Config& config_;
  std::unique_ptr<storage::MemoryTier> memory_;  // the tree's overlay; null: --memory_limit=0
  storage::Tree tree_;
  storage::RootWatch root_watch_{&tree_};
  storage::StatCache index_;
  std::optional<origin::Shelf> shelf_;            // where objects are fetched
  std::unique_ptr<storage::Housekeeping> house_;  // null: there is no catalog
  std::unique_ptr<storage::Store> store_;
  std::unique_ptr<OriginSide> origins_;  // null: there are none
};

}  // namespace objmapper::server
