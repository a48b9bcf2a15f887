// What has been seen of objects lately: a bounded, concurrent hash map from URI to Description.
//
// It saves STAT the walk through the file system, and never lies for longer than `valid`: an entry
// older than that is as if it were not there, and so is one from before this server changed
// anything (Tree::changes(), asked by the caller before it looks). Times come from the caller's
// clock, which must be monotonic and the same for all callers. FindDescription() is the one way to
// ask it.
//
// Thread-safe. Sharded by hash; one uncontended lock of ~20 ns an operation. Not used by FDPASS,
// whose fresh open sees the truth anyway.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/node_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "net/mutex.h"
#include "storage/tree/description.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

class StatCache {
 public:
  // entries_max: 0 turns the index off, else rounded up to a multiple of the shards (16).
  // valid: how long an entry may be believed; zero: not at all.
  StatCache(size_t entries_max, absl::Duration valid);

  // What is known of `uri`, if it was seen less than `valid` before `now_ns`.
  // changes: Tree::changes(), now.
  std::optional<Description> Find(absl::string_view uri, int64_t now_ns,
                                  uint64_t changes = 0) const;

  // Remembers what was seen at `now_ns`, unless something later is known. When the shard is full
  // an old entry goes; URIs of more than 1 KiB are not remembered. changes: Tree::changes(), as it
  // was before the file system was asked.
  void Put(absl::string_view uri, Description description, int64_t now_ns, uint64_t changes = 0);

  size_t size() const { return Read().size; }
  // Of all calls of Find() since the start.
  uint64_t hits() const { return Read().hits; }
  uint64_t misses() const { return Read().misses; }

 private:
  struct Counts {
    size_t size = 0;
    uint64_t hits = 0, misses = 0;
  };
  Counts Read() const;
  struct Entry {
    Description description;
    int64_t seen_ns = 0;
    uint64_t changes = 0;
  };
  using Node = std::pair<const std::string, Entry>;
  struct alignas(64) Shard {
    mutable net::Mutex mutex;
    // A node map: `order` points at its elements.
    absl::node_hash_map<std::string, Entry> entries GUARDED_BY(mutex);
    // Every element once. When the shard is full, `hand` goes round it and names who has to go:
    // the one that came first.
    std::vector<Node*> order GUARDED_BY(mutex);
    size_t hand GUARDED_BY(mutex) = 0;
    // Here, not in StatCache: a counter shared by all shards would cost each lookup a cache miss.
    mutable uint64_t hits GUARDED_BY(mutex) = 0;
    mutable uint64_t misses GUARDED_BY(mutex) = 0;
  };
  static constexpr size_t kShards = 16;

  static size_t ShardOf(absl::string_view uri);

  const size_t entries_per_shard_;
  const int64_t valid_ns_;
  std::vector<Shard> shards_;  // kShards; on the heap, so that a StatCache needs no alignment
};

// The lookup behind OP_STAT, the same for every lane, model and transport: what there is to tell of
// `uri`, from the index where it knows, else from the tree, and then the index knows it too.
// now_ns: net::NowNs(), a moment ago. Errors as Tree::OpenObject(). Thread-safe.
absl::StatusOr<Description> FindDescription(const Tree& tree, StatCache* index,
                                            absl::string_view uri, int64_t now_ns, Wait wait);

}  // namespace objmapper::storage
