// Wires the catalog to its feed, keeper, limits and reaper. Everything that may wait for the disk
// runs on the keeper's thread, except for the checks of a PUT.
#include "storage/catalog/housekeeping.h"

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <utility>

namespace objmapper::storage {
namespace {

// Descriptors that may be spent on files that are deleted and open: an eighth of what there are,
// but for very few and very many.
size_t UnlinkedMax() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 256;
  return static_cast<size_t>(std::clamp<rlim_t>(limit.rlim_cur / 8, 256, 16384));
}

}  // namespace

Housekeeping::Housekeeping(const Options& options)
    : options_(options),
      catalog_(options.catalog_memory),
      unlinked_(UnlinkedMax()),
      feed_(options.tree, &catalog_),
      limits_({.tree = options.tree,
               .evict_at = options.evict_at,
               .refuse_at = options.refuse_at,
               .peer_percent = options.peer_percent,
               .catalog = &catalog_,
               .unlinked = &unlinked_,
               .others = options.others}) {
  if (options_.evicts != Evicts::kAll) feed_.NoteKinds();
}

absl::Status Housekeeping::CheckCatalogRoom(absl::string_view uri) const {
  if (catalog_.HasRoomFor(CatalogFeed::NameOf(uri))) return absl::OkStatus();
  return absl::UnavailableError(
      "the catalog is full (--catalog_memory): try again when objects have been removed");
}

void Housekeeping::Start(DeleteIf delete_if) {
  CatalogKeeper::Options keeper;
  keeper.catalog = &catalog_;
  keeper.feed = &feed_;
  keeper.watches_max = options_.watches_max;
  keeper.rescan = options_.rescan;
  keeper.warn_of_folding = options_.warn_of_folding;
  keeper.each_second = options_.each_second;
  if (delete_if != nullptr) {
    feed_.RemoveLeftovers();
    Reaper::Options upkeep;
    upkeep.catalog = &catalog_;
    upkeep.limits = &limits_;
    upkeep.unlinked = &unlinked_;
    upkeep.marks = marks();
    upkeep.delete_if = std::move(delete_if);
    upkeep.evicts = options_.evicts;
    upkeep.others = options_.others;
    upkeep.evicted = options_.evicted;
    upkeep.unix_seconds = [] { return static_cast<int64_t>(time(nullptr)); };
    upkeep_ = std::make_unique<Reaper>(std::move(upkeep));
    keeper.upkeep = [this](int64_t now_ns) { return upkeep_->Do(now_ns); };
  }
  keeper_ = std::make_unique<CatalogKeeper>(std::move(keeper));
}

void Housekeeping::FollowRoot() {
  limits_.Ask();
  if (keeper_ != nullptr) keeper_->WalkAnew();
}

void Housekeeping::Stop() {
  if (keeper_ != nullptr) keeper_->Stop();
}

Housekeeping::Counts Housekeeping::Read() const {
  Counts counts;
  counts.complete = catalog_.complete();
  counts.objects = catalog_.objects();
  counts.bytes = catalog_.bytes();
  counts.refused = limits_.refused();
  counts.pinned_bytes = catalog_.pinned_bytes();
  if (options_.others != nullptr) counts.pinned_bytes += options_.others->pinned_bytes();
  counts.used_bytes = limits_.used();
  counts.evict_at_bytes = limits_.evict_at_bytes();
  counts.refuse_at_bytes = limits_.refuse_at_bytes();
  counts.unlinked = unlinked_.files();
  counts.unlinked_bytes = unlinked_.bytes();
  counts.unlinked_untold = unlinked_.untold();
  if (keeper_ != nullptr) {
    counts.watched = keeper_->watched();
    counts.unwatched = keeper_->unwatched();
    counts.rescans = keeper_->rescans();
  }
  if (upkeep_ != nullptr) {
    counts.expired = upkeep_->expired();
    counts.evicted = upkeep_->eviction().evicted();
    counts.evicted_bytes = upkeep_->eviction().evicted_bytes();
  }
  return counts;
}

}  // namespace objmapper::storage
