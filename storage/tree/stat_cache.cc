// A hash map in shards, each with a lock of its own. An entry that is older than the valid time, or
// than the last change by this server, is not used.
#include "storage/tree/stat_cache.h"

#include <utility>

#include "absl/hash/hash.h"

namespace objmapper::storage {
namespace {
constexpr size_t kUriBytesMax = 1024;
}  // namespace

StatCache::StatCache(size_t entries_max, absl::Duration valid)
    : entries_per_shard_((entries_max + kShards - 1) / kShards),
      valid_ns_(absl::ToInt64Nanoseconds(valid)),
      shards_(kShards) {}

std::optional<Description> StatCache::Find(absl::string_view uri, int64_t now_ns,
                                           uint64_t changes) const {
  if (entries_per_shard_ == 0) return std::nullopt;
  const Shard& shard = shards_[ShardOf(uri)];
  net::MutexLock lock(&shard.mutex);
  const auto found = shard.entries.find(uri);
  if (found == shard.entries.end() || now_ns - found->second.seen_ns >= valid_ns_ ||
      found->second.changes != changes) {
    ++shard.misses;
    return std::nullopt;
  }
  ++shard.hits;
  return found->second.description;
}

void StatCache::Put(absl::string_view uri, Description description, int64_t now_ns,
                    uint64_t changes) {
  // One object has many spellings ("a//b"), of 4 KiB each: they are not worth their memory.
  if (entries_per_shard_ == 0 || uri.size() > kUriBytesMax) return;
  Shard& shard = shards_[ShardOf(uri)];
  net::MutexLock lock(&shard.mutex);
  const auto [it, is_new] = shard.entries.try_emplace(uri);
  Entry& entry = it->second;
  // A thread that looked earlier but was slow to tell must not undo what is known since.
  if (!is_new && entry.seen_ns > now_ns && entry.changes >= changes) return;
  entry.description = std::move(description);
  entry.seen_ns = now_ns;
  entry.changes = changes;
  if (!is_new) return;

  if (shard.order.size() < entries_per_shard_) {
    shard.order.push_back(&*it);
    return;
  }
  const Node* const victim = std::exchange(shard.order[shard.hand], &*it);
  shard.hand = (shard.hand + 1) % entries_per_shard_;
  shard.entries.erase(shard.entries.find(victim->first));
}

StatCache::Counts StatCache::Read() const {
  Counts counts;
  for (const Shard& shard : shards_) {
    net::MutexLock lock(&shard.mutex);
    counts.size += shard.entries.size();
    counts.hits += shard.hits;
    counts.misses += shard.misses;
  }
  return counts;
}

size_t StatCache::ShardOf(absl::string_view uri) {
  // The low bits choose the place within the shard's map.
  return absl::Hash<absl::string_view>()(uri) >> 32 & (kShards - 1);
}

absl::StatusOr<Description> FindDescription(const Tree& tree, StatCache* index,
                                            absl::string_view uri, int64_t now_ns, Wait wait) {
  // Asked before the tree is: a change in between makes the entry one that nobody believes.
  const uint64_t changes = tree.changes();
  if (std::optional<Description> known = index->Find(uri, now_ns, changes);
      known.has_value() && (wait == Wait::kMayBlock || !tree.MustCheck(uri)))
    return *std::move(known);
  absl::StatusOr<Description> found = tree.Describe(uri, wait);
  if (found.ok()) index->Put(uri, *found, now_ns, changes);
  return found;
}

}  // namespace objmapper::storage
