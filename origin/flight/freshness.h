// Until when what has been fetched may be handed out without asking its origin again.
//
//   Freshness freshness(options);
//   freshness.SetOrigins(origins);
//   if (freshness.MustCheck(uri)) ...          // each lookup: one lock of ~20 ns
//   freshness.Good(uri, checked, until);       // its origin has said so
//
// It remembers what is known, and where nothing is known, it says that the object must be checked:
// a look at its mark (origin/cache/mark.h) then tells when its origin was asked last, and whether
// it is an origin's object at all. So nothing has to be scanned at the start, what another process
// has fetched (the predecessor in a hot restart) is seen as it is, and what there is no room for
// may be forgotten. Of names that are below no origin nothing is kept, and of those whose origin
// never revalidates only when what is here was fetched.
//
// An entry is 32 bytes, by a 64-bit hash of the URI. Of two names with the same hash each would be
// as good as the other: at a million names that happens once in 40 million servers, and costs a
// check too many or a version that is too old until the other's time is up.
//
// Thread-safe. Never waits.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "net/mutex.h"
#include "origin/config/origins.h"
#include "storage/tree/remote.h"

namespace objmapper::origin {

class Freshness {
 public:
  using Came = storage::Provenance::Came;
  struct Options {
    size_t names_max = 1 << 20;
    std::function<absl::Time()> now = absl::Now;
  };
  explicit Freshness(Options options);

  // From now on these say what must be checked. Nothing is known of any name any more.
  void SetOrigins(const Origins& origins);

  // storage::Remote::MustCheck(). URIs may begin with slashes, here and below.
  bool MustCheck(absl::string_view uri) const;
  // storage::Remote::MustCompare() of a name below an origin: so often in a second at most.
  bool MustCompare(absl::string_view uri, int64_t age_max_s);
  static constexpr uint8_t kComparesPerSecond = 10;
  // storage::Remote::ProvenanceOf(), as far as it is remembered. nullopt: nothing is known of it.
  std::optional<storage::Provenance> ProvenanceOf(absl::string_view uri) const;
  // When its origin last said that what is here is its version, in whole seconds, as far as that is
  // remembered: its mark may be older.
  std::optional<absl::Time> CheckedAt(absl::string_view uri) const;

  // What is here is its origin's version, as that said at `checked`, and good until then; of names
  // whose origin never revalidates, for ever.
  void Good(absl::string_view uri, absl::Time checked, absl::Time until,
            Came came = Came::kUnknown);
  // What the mark of such a one says, of which nothing is known; else nothing is done.
  void Remember(absl::string_view uri, absl::Time checked);
  // The origin cannot be asked: what is here, as it said at `checked`, is good enough until then.
  void Stale(absl::string_view uri, absl::Time checked, absl::Time until);
  // There is nothing to be checked until then: the object is this disk's own, or there is none.
  void Nothing(absl::string_view uri, absl::Time until);

  size_t size() const;

 private:
  enum class Kind : uint8_t { kGood, kStale, kNothing };
  struct Entry {
    int64_t until_us = 0;    // since the epoch
    uint32_t noted_s = 0;    // when; before that time the clock has been put back
    uint32_t checked_s = 0;  // 0: unknown
    // The second in which it was said last, and how often, that it must be compared.
    uint32_t compared_s = 0;
    uint8_t compares = 0;
    Kind kind = Kind::kGood;
    Came came = Came::kUnknown;
  };
  struct alignas(64) Shard {
    mutable net::Mutex mutex;
    absl::flat_hash_map<uint64_t, Entry> entries GUARDED_BY(mutex);
    Origins origins GUARDED_BY(mutex);  // here, so that no two shards share what each call touches
  };
  static constexpr size_t kShards = 64;

  // Of those that `uri` names an object at; null: it names none.
  static const Origin* OriginOf(const Origins& origins, absl::string_view uri);
  Shard& ShardOf(uint64_t hash) const { return shards_[hash >> 58]; }
  std::optional<Entry> Find(absl::string_view uri) const;
  void Put(absl::string_view uri, Kind kind, std::optional<absl::Time> checked, absl::Time until,
           Came came = Came::kUnknown);
  void MakeRoom(Shard* shard, int64_t now_us) const EXCLUSIVE_LOCKS_REQUIRED(shard->mutex);

  const Options options_;
  std::atomic<bool> any_{false};          // there are origins
  std::atomic<bool> revalidates_{false};  // and one of them revalidates
  const std::unique_ptr<Shard[]> shards_;
};

}  // namespace objmapper::origin
