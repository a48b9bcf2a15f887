// A table for each thread keeps repeated uses of an object from taking the lock. The list of uses
// is bounded; losing one costs at most a minute of an object's age.
#include "storage/tree/use_marks.h"

#include <utility>

#include "absl/hash/hash.h"

namespace objmapper::storage {
namespace {

// 32 KiB a thread. Two objects that share a place mark each other's uses as news: no harm but the
// cost.
constexpr size_t kPlaces = 4096;
thread_local uint64_t said[kPlaces];

std::atomic<uint64_t> instances{0};

}  // namespace

UseMarks::UseMarks() : seed_(instances.fetch_add(1)) {}

void UseMarks::Used(absl::string_view uri) {
  const uint64_t hash = absl::Hash<absl::string_view>{}(uri);
  // Odd multipliers, so that neither instances nor turns are mistaken for each other, or for an
  // empty place.
  const uint64_t use = hash ^ (turn_.load(std::memory_order_relaxed) * 0x9e3779b97f4a7c15 +
                               seed_ * 0xc2b2ae3d27d4eb4f);
  uint64_t& place = said[hash % kPlaces];
  if (place == use) return;
  const net::MutexLock lock(&mutex_);
  if (waiting_.size() == kWaitingMax) return;
  waiting_.emplace_back(uri);
  place = use;
}

std::vector<std::string> UseMarks::Take() {
  const net::MutexLock lock(&mutex_);
  return std::exchange(waiting_, {});
}

}  // namespace objmapper::storage
