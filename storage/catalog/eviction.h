// Which objects go first when the disk is full: those that were used longest ago, the larger of two
// first.
//
// A use is what the catalog knows of it: the lanes' marks (UseMarks, to a minute), and the kernel's
// access time, which is asked once more before an object goes: one that was read since has its
// second chance. That is LRU with CLOCK's reference bit (Corbató, "A paging experiment with the
// Multics system", 1968). The oldest are not kept in a queue, which would cost each use a lock and
// each object two pointers, but picked in one pass over the catalog, some thousand at a time, as
// Redis keeps its pool of candidates: what comes into the tree afterwards with an older time than
// theirs waits for the next pass. S3-FIFO (Yang et al., SOSP 2023) and SIEVE (Zhang et al., NSDI
// 2024) miss less often where most objects are used once; they need to see each use in its order,
// which a descriptor that a client keeps does not show.
//
// Where objects are fetched from origins, those go first, or alone (Evicts), and what is pinned
// does not go at all. What an origin has sent that is no object of the catalog (Evictable: parts of
// objects, objects under encoded names) goes in its turn, by the same measure.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/evictable.h"

namespace objmapper::storage {

// Deletes an object if `wanted`, which is given a descriptor of it, still says so. ABORTED: it does
// not. NOT_FOUND: there is none. Afterwards the catalog knows.
using DeleteIf =
    std::function<absl::Status(absl::string_view uri, absl::FunctionRef<bool(int fd)> wanted)>;

// One thread's; the counts are any thread's.
class Eviction {
 public:
  struct Options {
    Catalog* catalog = nullptr;  // outlives it
    DeleteIf delete_if;
    size_t candidates_max = 4096;  // picked in one pass
    // Whether an object, of which it is given a descriptor, is to be passed over, since nobody
    // would know when its bytes come back. null: none is.
    std::function<bool(int fd)> pass_over;
    // Other than kAll: the catalog's feed notes kinds (CatalogFeed::NoteKinds()).
    Evicts evicts = Evicts::kAll;
    Evictable* others = nullptr;  // outlives it; null: there is nothing else
    Evicted evicted;              // null: nobody is told
  };
  explicit Eviction(Options options) : options_(std::move(options)) {}

  struct Result {
    uint64_t bytes = 0;  // of what was deleted
    // there is nothing left that could go, or nothing of what was tried could be deleted
    bool stuck = false;
  };
  // Deletes objects until theirs were `bytes` or more, or `objects_max` have been tried.
  Result Evict(uint64_t bytes, size_t objects_max);

  uint64_t evicted() const { return evicted_.load(std::memory_order_relaxed); }  // objects
  uint64_t evicted_bytes() const { return evicted_bytes_.load(std::memory_order_relaxed); }

 private:
  bool MayGo(const Catalog::Entry& entry) const;
  bool Sooner(const Catalog::Entry& a, const Catalog::Entry& b) const;
  void Pick();
  // Removes one of the others, if one would go before the next candidate.
  bool EvictOther(Result* result);
  void Note(absl::string_view uri, uint64_t bytes);

  const Options options_;
  std::vector<Catalog::Object> candidates_;  // the first to go is the last
  uint64_t passed_over_ = 0;                 // one after the other
  std::atomic<uint64_t> evicted_{0}, evicted_bytes_{0};
};

}  // namespace objmapper::storage
