// What is here of origins and is no object of the catalog: part-filled objects, and whole ones
// under encoded names (place.h). How much room they take, and which of them goes first.
//
//   Shelf shelf(&tree);
//   Housekeeping::Options house = {.evicts = Evicts::kFetchedFirst, .others = &shelf, ...};
//   shelf.Load();                                        // at the start
//   PartialObject::Options options = {.shelf = &shelf};  // which says what becomes of them
//
// The order is the catalog's (storage/catalog/eviction.h): what was used longest ago, the larger of
// two first, by what readers say (Used()) and what the kernel says when its turn comes. What is
// being filled does not go, nor what is pinned. Descriptors that readers have stay good.
//
// Objects under encoded names are found by their URI (OpenWhole()). What the server has to do for
// that, since nothing below this room knows of it: where a URI is no path, or its name is no
// object, ask here before the origin is asked; add List() to what LIST tells. Whoever pins an
// object says so to whoever evicts it (control.h does): Housekeeping::Changed() for one of the
// catalog, NotePinned() for one here. An entry costs some 300 bytes and its URI.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/mutex.h"
#include "origin/cache/scan.h"
#include "storage/catalog/evictable.h"
#include "storage/tree/object_info.h"
#include "storage/tree/overlay.h"
#include "storage/tree/tree.h"

namespace objmapper::origin {

class Shelf : public storage::Evictable {
 public:
  using Kind = Found::Kind;

  // The tree outlives it.
  explicit Shelf(const storage::Tree* tree) : tree_(tree) {}

  // Scan(), and all that it finds is on the shelf; what was there before is not. Waits for the
  // disk.
  absl::StatusOr<Scanned> Load();

  // Puts something there, or changes what is known of it: it may go from now on.
  void Put(const Found& found);
  // It is at work, and does not go until Put(); what it takes is counted all the same.
  void Hold(Kind kind, const std::string& uri);
  // It is here no more.
  void Forget(Kind kind, const std::string& uri);
  // It has been used just now.
  void Used(Kind kind, const std::string& uri, uint32_t now_s);
  // It is pinned, or is not any more (storage::SetPinned()).
  void NotePinned(Kind kind, const std::string& uri, bool pinned);
  std::optional<Found> Find(Kind kind, const std::string& uri) const;
  // Whether it is there and nobody is at work with it.
  bool IsIdle(Kind kind, const std::string& uri) const;
  // All of a kind whose URIs begin with `prefix`, at most `max`, in order, behind `after`.
  std::vector<Found> List(Kind kind, const std::string& prefix, const std::string& after,
                          size_t max) const;

  // The object that is kept under the encoded name of `uri`, if it is that very URI's and
  // unchanged; one that has been changed is removed. Waits for the disk. NOT_FOUND: there is none.
  // Else as storage::DiskError().
  absl::StatusOr<storage::OpenedObject> OpenWhole(absl::string_view uri);
  // Whether there is one, as far as it was looked at. Never waits, and costs little where there are
  // none at all.
  bool HasWhole(absl::string_view uri) const {
    return wholes_.load(std::memory_order_relaxed) != 0 &&
           Find(Kind::kWhole, std::string(uri)).has_value();
  }
  // Removes it: NOT_FOUND, and as storage::DiskError().
  absl::Status RemoveWhole(absl::string_view uri);

  // Evictable.
  uint64_t bytes() const override;
  uint64_t pinned_bytes() const override;
  std::optional<uint32_t> OldestUse() const override;
  uint64_t EvictOldest(std::string* uri) override;

 private:
  using Key = std::pair<Kind, std::string>;
  struct Entry {
    Found found;
    bool held = false;
  };
  // The first to go is the first: by use, then the larger one.
  using Order = std::tuple<uint32_t, uint64_t, Key>;
  static Order OrderOf(const Found& found);
  static bool MayGo(const Entry& entry) { return !entry.held && !entry.found.pinned; }
  // What was looked at has been used, or pinned, as it says.
  void Change(const Found& found);
  void Enter(const Key& key, const Entry& entry) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Leave(const Key& key) EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const storage::Tree* const tree_;
  mutable net::Mutex mutex_;  // held for no system call
  std::map<Key, Entry> entries_ GUARDED_BY(mutex_);
  std::set<Order> order_ GUARDED_BY(mutex_);  // those that may go
  uint64_t bytes_ GUARDED_BY(mutex_) = 0, pinned_bytes_ GUARDED_BY(mutex_) = 0;
  std::atomic<size_t> wholes_{0};  // among the entries; changed with the mutex held
};

}  // namespace objmapper::origin
