// A hash map in shards, each with a lock of its own.
#include "origin/flight/freshness.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "origin/cache/place.h"
#include "storage/catalog/catalog.h"

namespace objmapper::origin {
namespace {

uint64_t HashOf(absl::string_view canonical) { return absl::Hash<absl::string_view>()(canonical); }

}  // namespace

Freshness::Freshness(Options options)
    : options_(std::move(options)), shards_(std::make_unique<Shard[]>(kShards)) {}

void Freshness::SetOrigins(const Origins& origins) {
  const bool any = !origins.empty();
  const bool revalidates = std::any_of(origins.all().begin(), origins.all().end(),
                                       [](const auto& origin) { return !origin->immutable; });
  // Between the two, what is known is asked for in vain.
  if (any) any_.store(true, std::memory_order_relaxed);
  if (revalidates) revalidates_.store(true, std::memory_order_relaxed);
  for (size_t i = 0; i < kShards; ++i) {
    Shard& shard = shards_[i];
    absl::flat_hash_map<uint64_t, Entry> old;
    const net::MutexLock lock(&shard.mutex);
    shard.entries.swap(old);
    shard.origins = origins;
  }
  any_.store(any, std::memory_order_relaxed);
  revalidates_.store(revalidates, std::memory_order_relaxed);
}

const Origin* Freshness::OriginOf(const Origins& origins, absl::string_view uri) {
  const Origin* const origin = origins.LineOf(uri);
  // What names no object there has none to be compared with.
  return origin != nullptr && origins.Find(uri).ok() ? origin : nullptr;
}

bool Freshness::MustCheck(absl::string_view uri) const {
  if (!revalidates_.load(std::memory_order_relaxed)) return false;
  uri = Canonical(uri);
  const int64_t now_us = absl::ToUnixMicros(options_.now());
  const uint64_t hash = HashOf(uri);
  const Shard& shard = ShardOf(hash);
  const net::MutexLock lock(&shard.mutex);
  const auto found = shard.entries.find(hash);
  if (found == shard.entries.end()) {
    const Origin* const origin = OriginOf(shard.origins, uri);
    return origin != nullptr && !origin->immutable;
  }
  const Entry& entry = found->second;
  return entry.until_us <= now_us || now_us / 1'000'000 < entry.noted_s;
}

std::optional<Freshness::Entry> Freshness::Find(absl::string_view uri) const {
  const uint64_t hash = HashOf(Canonical(uri));
  const Shard& shard = ShardOf(hash);
  const net::MutexLock lock(&shard.mutex);
  const auto found = shard.entries.find(hash);
  if (found == shard.entries.end()) return std::nullopt;
  return found->second;
}

bool Freshness::MustCompare(absl::string_view uri, int64_t age_max_s) {
  uri = Canonical(uri);
  const absl::Time now = options_.now();
  const int64_t now_s = absl::ToUnixSeconds(now);
  const uint64_t hash = HashOf(uri);
  Shard& shard = ShardOf(hash);
  const net::MutexLock lock(&shard.mutex);
  const auto found = shard.entries.find(hash);
  // Then the mark says, and it is known the next time.
  if (found == shard.entries.end()) return true;
  Entry& entry = found->second;
  if (entry.kind == Kind::kNothing) return entry.until_us <= absl::ToUnixMicros(now);
  if (entry.kind == Kind::kGood && age_max_s > 0 && entry.checked_s <= now_s &&
      now_s - entry.checked_s <= age_max_s)
    return false;
  if (entry.compared_s != storage::ToSeconds32(now_s)) {
    entry.compared_s = storage::ToSeconds32(now_s);
    entry.compares = 0;
  }
  if (entry.compares >= kComparesPerSecond) return false;
  ++entry.compares;
  return true;
}

std::optional<storage::Provenance> Freshness::ProvenanceOf(absl::string_view uri) const {
  if (!any_.load(std::memory_order_relaxed)) return std::nullopt;
  uri = Canonical(uri);
  const uint64_t hash = HashOf(uri);
  const Shard& shard = ShardOf(hash);
  const net::MutexLock lock(&shard.mutex);
  const auto found = shard.entries.find(hash);
  if (found == shard.entries.end()) return std::nullopt;
  const Entry& entry = found->second;
  storage::Provenance provenance;
  if (entry.kind == Kind::kNothing) return provenance;
  provenance.remote = true;
  provenance.stale = entry.kind == Kind::kStale;
  provenance.came = entry.came;
  provenance.checked_s = entry.checked_s;
  const Origin* const origin = shard.origins.LineOf(uri);
  if (origin != nullptr && !origin->immutable)
    provenance.due_s = entry.checked_s + absl::ToInt64Seconds(origin->revalidate);
  return provenance;
}

std::optional<absl::Time> Freshness::CheckedAt(absl::string_view uri) const {
  const std::optional<Entry> entry = Find(uri);
  if (!entry.has_value() || entry->checked_s == 0) return std::nullopt;
  return absl::FromUnixSeconds(entry->checked_s);
}

void Freshness::Good(absl::string_view uri, absl::Time checked, absl::Time until, Came came) {
  Put(uri, Kind::kGood, checked, until, came);
}

void Freshness::Remember(absl::string_view uri, absl::Time checked) {
  uri = Canonical(uri);
  const int64_t now_us = absl::ToUnixMicros(options_.now());
  const uint64_t hash = HashOf(uri);
  Shard& shard = ShardOf(hash);
  const net::MutexLock lock(&shard.mutex);
  const Origin* const origin = OriginOf(shard.origins, uri);
  if (origin == nullptr || !origin->immutable || shard.entries.contains(hash)) return;
  MakeRoom(&shard, now_us);
  shard.entries[hash] = {.until_us = INT64_MAX,
                         .noted_s = storage::ToSeconds32(now_us / 1'000'000),
                         .checked_s = storage::ToSeconds32(absl::ToUnixSeconds(checked))};
}

void Freshness::Stale(absl::string_view uri, absl::Time checked, absl::Time until) {
  Put(uri, Kind::kStale, checked, until);
}

void Freshness::Nothing(absl::string_view uri, absl::Time until) {
  Put(uri, Kind::kNothing, std::nullopt, until);
}

void Freshness::Put(absl::string_view uri, Kind kind, std::optional<absl::Time> checked,
                    absl::Time until, Came came) {
  if (!any_.load(std::memory_order_relaxed)) return;
  uri = Canonical(uri);
  const absl::Time now = options_.now();
  const uint64_t hash = HashOf(uri);
  Shard& shard = ShardOf(hash);
  const net::MutexLock lock(&shard.mutex);
  const Origin* const origin = OriginOf(shard.origins, uri);
  if (origin == nullptr) return;
  if (origin->immutable) {
    if (kind == Kind::kNothing) {
      shard.entries.erase(hash);
      return;
    }
    until = absl::InfiniteFuture();
  }
  MakeRoom(&shard, absl::ToUnixMicros(now));
  Entry& entry = shard.entries[hash];
  entry.until_us = absl::ToUnixMicros(until);
  entry.noted_s = storage::ToSeconds32(absl::ToUnixSeconds(now));
  entry.checked_s = storage::ToSeconds32(absl::ToUnixSeconds(checked.value_or(absl::UnixEpoch())));
  entry.kind = kind;
  entry.came = came;
}

// Those whose time is up go first: they are as good as unknown. If there are none, any do.
void Freshness::MakeRoom(Shard* shard, int64_t now_us) const {
  const size_t most = std::max<size_t>(options_.names_max / kShards, 1);
  if (shard->entries.size() < most) return;
  absl::erase_if(shard->entries,
                 [now_us](const auto& one) { return one.second.until_us <= now_us; });
  // An eighth at once, so that not every new one looks at all.
  const size_t enough = most - most / 8 - 1;
  while (shard->entries.size() > enough) shard->entries.erase(shard->entries.begin());
}

size_t Freshness::size() const {
  size_t size = 0;
  for (size_t i = 0; i < kShards; ++i) {
    const net::MutexLock lock(&shards_[i].mutex);
    size += shards_[i].entries.size();
  }
  return size;
}

}  // namespace objmapper::origin
