// All objects of the tree by name, in memory: what LIST, the expiry of objects and the disk's
// limits go by.
//
//   Catalog::Ticket ticket = catalog.Before(uri);     // first the ticket,
//   std::optional<Catalog::Entry> found = ...;        // then the disk is asked,
//   if (!catalog.Settle(uri, ticket, found)) ...      // then it is noted; refused: ask it again
//
// It is a copy of what the disk says, made by many threads at once: those that change objects, and
// the one that walks the tree. Who has asked the disk may be overtaken by who asks later and notes
// first; the ticket makes that show, so that what stays noted is what the last one saw.
// CatalogFeed::Refresh() is this loop.
//
// Thread-safe. An object costs 27 bytes, its URI, malloc's share and 8 to 16 bytes of the tree.
// Nothing holds the lock for more than some hundred objects.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/types/compare.h"
#include "absl/types/span.h"
#include "net/mutex.h"

namespace objmapper::storage {

class Catalog {
 public:
  // Times are seconds since the epoch. Those in 32 bits end in 2106: ToSeconds32().
  struct Entry {
    uint64_t size = 0;             // bytes
    int64_t mtime_s : 37 = 0;      // of the last and the next 2100 years
    bool link : 1 = false;         // a symbolic link, which may lead to an object: size 0
    bool fetched : 1 = false;      // from an origin, as far as that is noted (CatalogFeed)
    bool pinned : 1 = false;       // it is not to be evicted; noted with it
    uint64_t taken_code : 24 = 0;  // SetTaken()
    uint32_t used_s = 0;           // when it was last used, as far as is known
    uint32_t expires_s = 0;        // 0: never

    // What it takes on the disk, where that is less than its size, since it has holes; to a
    // 100,000th, and not less. Of a sparse file the size says nothing about what comes back when it
    // goes.
    void SetTaken(uint64_t bytes);
    uint64_t taken() const;
  };
  struct Object {
    std::string uri;
    Entry entry;
  };
  // When a URI was last settled, as a count; URIs share counts.
  using Ticket = uint32_t;
  struct Looked {
    Object object;
    Ticket ticket = 0;
  };

  // memory_max: bytes that it may take, as it counts them. What would take more is left out, and
  // then it is not complete().
  explicit Catalog(uint64_t memory_max = std::numeric_limits<uint64_t>::max());
  ~Catalog();
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  // URIs are as a walk of the tree makes them: components joined by one '/', none at the start or
  // the end.
  Ticket Before(absl::string_view uri) const;
  // Notes what the disk said: an object, or that there is none. False: the URI has been settled
  // since the ticket was taken, and nothing is noted. Of what is known the later time of use stays.
  bool Settle(absl::string_view uri, Ticket ticket, const std::optional<Entry>& found);
  // Settle() for many objects at once, in a fraction of the time. Appends the URIs that were
  // refused to *again.
  void SettleAll(absl::Span<const Looked> looked, std::vector<std::string>* again);

  // It has been used. Nothing happens when it is not known.
  void Touch(absl::string_view uri, uint32_t used_s);

  std::optional<Entry> Find(absl::string_view uri) const;

  // Calls `visit` for each object whose URI begins with `prefix` and is greater than `after`, in
  // the order of their bytes, until it says false. Without the lock: what is changed meanwhile is
  // seen or not, and all else exactly once.
  void ForEach(absl::string_view prefix, absl::string_view after,
               absl::FunctionRef<bool(const Object& object)> visit) const;

  // The same, and `visit` may pass over what it has no use for: *from, if it sets it, is the least
  // URI that it wants to see next. What is passed over costs nothing.
  void ForEachFrom(absl::string_view prefix, absl::string_view after,
                   absl::FunctionRef<bool(const Object& object, std::string* from)> visit) const;

  struct Child {
    std::string name;
    bool directory = false;
  };
  // Names directly in a directory ("" is the root, else "a/b/"), at most `max`, from *position on,
  // which is empty at first and moved on; an empty result is the end. Costs by the names in it, not
  // by what is below them.
  std::vector<Child> Children(absl::string_view directory, size_t max, std::string* position) const;

  // Objects that have expired by `now_s`, at most `max`, the earliest first.
  std::vector<std::string> Expired(uint32_t now_s, size_t max) const;

  // Any time, without the lock.
  uint64_t objects() const { return objects_.load(std::memory_order_relaxed); }
  // Of them, those that were fetched from an origin, as far as that is noted.
  uint64_t fetched() const { return fetched_.load(std::memory_order_relaxed); }
  // That they take: of their sizes, without holes.
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // Of them, those of objects that are pinned, as far as that is noted.
  uint64_t pinned_bytes() const { return pinned_bytes_.load(std::memory_order_relaxed); }
  // Whether the whole tree has been walked: until then what is not here may exist all the same.
  bool complete() const { return complete_.load(std::memory_order_acquire); }
  void SetComplete() { complete_.store(true, std::memory_order_release); }
  void SetIncomplete() { complete_.store(false, std::memory_order_release); }
  // Whether there is room for `uri`, or it is known already.
  bool HasRoomFor(absl::string_view uri) const;
  // Whether something has been left out since TakeLeftOut(), and whether so much has gone since
  // that another walk is worth it.
  bool left_out() const { return left_out_.load(std::memory_order_relaxed); }
  bool HasRoomAgain() const { return memory() <= memory_max_ - memory_max_ / 8; }
  void TakeLeftOut() { left_out_.store(false, std::memory_order_relaxed); }
  uint64_t memory() const { return memory_.load(std::memory_order_relaxed); }  // bytes

 private:
  struct Record;
  struct Delete {
    void operator()(Record* record) const;
  };
  using Owned = std::unique_ptr<Record, Delete>;
  // By the bytes of their URIs.
  struct ByUri {
    using is_transparent = void;
    static absl::string_view UriOf(absl::string_view uri) { return uri; }
    static absl::string_view UriOf(const Owned& record);
    template <typename A, typename B>
    absl::weak_ordering operator()(const A& a, const B& b) const;
  };
  using Records = absl::btree_set<Owned, ByUri>;

  static uint64_t CostOf(absl::string_view uri);
  std::atomic<Ticket>& CountOf(absl::string_view uri) const;
  void Note(absl::string_view uri, const Entry& entry) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(absl::string_view uri) EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // A B-tree of pointers: as good as full where names come in order, and lookups touch a dozen
  // cache lines.
  mutable net::Mutex mutex_;
  Records records_ GUARDED_BY(mutex_);
  // those that do expire
  absl::btree_set<std::pair<uint32_t, const Record*>> by_expiry_ GUARDED_BY(mutex_);
  std::unique_ptr<std::atomic<Ticket>[]> settled_;  // changed under the lock, read without
  std::atomic<uint64_t> objects_{0}, fetched_{0}, bytes_{0}, pinned_bytes_{0};
  const uint64_t memory_max_;
  std::atomic<uint64_t> memory_{0};
  std::atomic<bool> complete_{false}, left_out_{false};
};

// What it may be as an entry's mtime_s.
int64_t ToMtime(int64_t seconds);

// Seconds that do not fit become the first or the last that do.
uint32_t ToSeconds32(int64_t seconds);

}  // namespace objmapper::storage
