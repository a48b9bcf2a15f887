// The objects that one loop sends: found by name, loaded, and brought into the page cache.
//
//   Objects objects(options, [&](Objects::Work* work) { mailbox.Put(work); });
//   absl::StatusOr<ObjectRef> object = objects.Lookup(uri, now_ns);
//   if ((*object)->state() == kLoading) (*object)->Await(waiter);
//   ...
//   objects.Done(work, now_ns);            // the loop, for each work that was posted
//
// Invariant: the owner's thread never waits for a disk. What is not in the kernel's caches is
// opened and read by the threads of a pool, and whoever wants it waits in the meantime; so does who
// wants what comes from elsewhere (storage/tree/remote.h), for which no thread waits at all. Such
// an object is ready as soon as it is known what comes (CachedObject::filling()).
//
// One thread's, but for `post`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "copypath/blocking_pool.h"
#include "copypath/cached_object.h"
#include "copypath/object_cache.h"
#include "net/counter.h"
#include "protocol/cached.h"
#include "protocol/request.h"
#include "storage/tree/remote.h"
#include "storage/tree/tree.h"

namespace objmapper::copypath {

// What of its object a request needs first, as far as that can be told before anything is known of
// it.
storage::Wanted WantedBy(const protocol::Request& request);

class Objects {
 public:
  struct Options {
    const storage::Tree* tree = nullptr;
    BlockingPool* pool = nullptr;
    BlockingPool* slow_pool = nullptr;  // for opens that take long; all outlive this
    size_t cache_entries = 1024;
    absl::Duration cache_valid = absl::Milliseconds(20);
    // Objects of at most so many bytes are kept as a copy.
    size_t copied_bytes_max = storage::kSnapshotBytesMax;
  };

  // Written by the owner's thread, read by any.
  struct Counters {
    net::Counter hits;
    net::Counter misses;
    net::Counter page_ins;       // windows that were not in the page cache
    net::Counter page_ins_done;  // and have come, or failed
  };

  // What a thread of a pool has been asked to do: to load an object, or bring in a window of one.
  struct Work;

  // post: called on a thread of a pool when `work` is done, to have Done(work) called on the
  // owner's. What it has been called with and Done() has not is lost with this object.
  Objects(const Options& options, std::function<void(Work*)> post);

  // The object that `uri` means now: ready, or loading. wanted: what of it is to come first, should
  // it be elsewhere. Errors as Tree::OpenObject().
  absl::StatusOr<ObjectRef> Lookup(absl::string_view uri, int64_t now_ns,
                                   const storage::Wanted& wanted = {});
  // The object is not what its name means any more: the next Lookup() asks the file system.
  void Forget(CachedObject* object) { cache_.Erase(object); }
  // The object that `uri` means now, opened for one answer alone, where that may take long:
  // loading, until it is here whole.
  ObjectRef OpenApart(absl::string_view uri);

  // Whether window `index` of a mapped object may be sent; begins to bring it in when not.
  Residency EnsureResident(CachedObject* object, size_t index, int64_t now_ns);
  // Brings it in, whatever was known, unless it is on its way.
  void BringIn(CachedObject* object, size_t index, int64_t now_ns);

  // What `request` is told of where `object`, which is ready, has come from.
  protocol::Cached CachedOf(const protocol::Request& request, const CachedObject* object) const;

  // Tells those who wait for an object that is on its way here, once more than is readable now is
  // readable from `offset` on, or it has ended.
  void AwaitMore(CachedObject* object, uint64_t offset);
  // The same once `through`, which is of that object, is ready.
  void AwaitMore(CachedObject* object, storage::PassThrough* through);

  // Takes what came of it, and tells those who wait for the object.
  void Done(Work* work, int64_t now_ns);
  // Whether something is in a pool's hands.
  bool working() const { return !works_.empty(); }

  // As ObjectCache's; empty: there is nothing to drop.
  void DropNameless() {
    cache_.DropNameless();
    fillings_ = 0;
  }
  bool empty() const { return cache_.size() == 0; }

  const Counters& counters() const { return counters_; }

 private:
  // asks: its remote, whatever is here.
  void BeginLoading(const ObjectRef& object, const storage::Wanted& wanted, bool asks);
  // For who wants it otherwise than others do (Wanted::age_max_s, only_here): nobody else gets it.
  absl::StatusOr<ObjectRef> LookupAlone(absl::string_view uri, int64_t now_ns,
                                        const storage::Wanted& wanted, bool asks);

  const Options options_;
  const std::function<void(Work*)> post_;
  ObjectCache cache_;
  absl::flat_hash_set<Work*> works_;  // owned; in a pool's hands, or a remote's
  // What of which objects works_ await: many wait for the same.
  absl::flat_hash_set<std::pair<const CachedObject*, uint64_t>> awaited_;
  size_t fillings_ = 0;  // begun to be kept since they were last dropped
  Counters counters_;
};

}  // namespace objmapper::copypath
