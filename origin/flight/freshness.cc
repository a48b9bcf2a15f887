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
  const bool any = std::any_of(origins.all().begin(), origins.all().end(),
                               [](const auto& origin) { return !origin->immutable; });
  // Between the two, what is known is asked for in vain.
  if (any) any_.store(true, std::memory_order_relaxed);
  for (size_t i = 0; i < kShards; ++i) {
    Shard& shard = shards_[i];
    absl::flat_hash_map<uint64_t, Entry> old;
    const net::MutexLock lock(&shard.mutex);
    shard.entries.swap(old);
    shard.origins = origins;
  }
  any_.store(any, std::memory_order_relaxed);
}

bool Freshness::Revalidates(const Origins& origins, absl::string_view uri) {
  const Origin* const origin = origins.LineOf(uri);
  // What names no object there has none to be compared with.
  return origin != nullptr && !origin->immutable && origins.Find(uri).ok();
}

bool Freshness::MustCheck(absl::string_view uri) const {
  if (!any_.load(std::memory_order_relaxed)) return false;
  uri = Canonical(uri);
  const int64_t now_us = absl::ToUnixMicros(options_.now());
  const uint64_t hash = HashOf(uri);
  const Shard& shard = ShardOf(hash);
  const net::MutexLock lock(&shard.mutex);
  const auto found = shard.entries.find(hash);
  if (found == shard.entries.end()) return Revalidates(shard.origins, uri);
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

bool Freshness::IsStale(absl::string_view uri) const {
  if (!any_.load(std::memory_order_relaxed)) return false;
  const std::optional<Entry> entry = Find(uri);
  return entry.has_value() && entry->kind == Kind::kStale;
}

std::optional<absl::Time> Freshness::CheckedAt(absl::string_view uri) const {
  const std::optional<Entry> entry = Find(uri);
  if (!entry.has_value() || entry->checked_s == 0) return std::nullopt;
  return absl::FromUnixSeconds(entry->checked_s);
}

void Freshness::Good(absl::string_view uri, absl::Time checked, absl::Time until) {
  Put(uri, Kind::kGood, checked, until);
}

void Freshness::Stale(absl::string_view uri, absl::Time until) {
  Put(uri, Kind::kStale, CheckedAt(uri), until);
}

void Freshness::Nothing(absl::string_view uri, absl::Time until) {
  Put(uri, Kind::kNothing, std::nullopt, until);
}

void Freshness::Put(absl::string_view uri, Kind kind, std::optional<absl::Time> checked,
                    absl::Time until) {
  if (!any_.load(std::memory_order_relaxed)) return;
  uri = Canonical(uri);
  const absl::Time now = options_.now();
  const uint64_t hash = HashOf(uri);
  Shard& shard = ShardOf(hash);
  const net::MutexLock lock(&shard.mutex);
  if (!Revalidates(shard.origins, uri)) return;
  MakeRoom(&shard, absl::ToUnixMicros(now));
  shard.entries[hash] = {
      .until_us = absl::ToUnixMicros(until),
      .noted_s = storage::ToSeconds32(absl::ToUnixSeconds(now)),
      .checked_s = storage::ToSeconds32(absl::ToUnixSeconds(checked.value_or(absl::UnixEpoch()))),
      .kind = kind};
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
