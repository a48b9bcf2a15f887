// Chooses the least recently used objects from the catalog, and checks the kernel's access time
// once more before one is deleted.
#include "storage/catalog/eviction.h"

#include <glog/logging.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "storage/tree/attributes.h"

namespace objmapper::storage {
namespace {
using Object = Catalog::Object;
}  // namespace

bool Eviction::MayGo(const Catalog::Entry& entry) const {
  if (entry.link) return false;
  if (options_.evicts == Evicts::kAll) return true;
  return !entry.pinned && (entry.fetched || options_.evicts == Evicts::kFetchedFirst);
}

// Whether `a` is to go before `b`.
bool Eviction::Sooner(const Catalog::Entry& a, const Catalog::Entry& b) const {
  if (options_.evicts != Evicts::kAll && a.fetched != b.fetched) return a.fetched;
  return a.used_s != b.used_s ? a.used_s < b.used_s : a.size > b.size;
}

void Eviction::Pick() {
  const auto sooner = [this](const Object& a, const Object& b) { return Sooner(a.entry, b.entry); };
  // A heap of those that go first; its front is the last of them.
  options_.catalog->ForEach("", "", [&](const Object& object) {
    if (!MayGo(object.entry)) return true;
    if (candidates_.size() == options_.candidates_max) {
      if (!Sooner(object.entry, candidates_.front().entry)) return true;
      std::pop_heap(candidates_.begin(), candidates_.end(), sooner);
      candidates_.pop_back();
    }
    candidates_.push_back(object);
    std::push_heap(candidates_.begin(), candidates_.end(), sooner);
    return true;
  });
  std::sort_heap(candidates_.begin(), candidates_.end(), sooner);
  std::reverse(candidates_.begin(), candidates_.end());
}

bool Eviction::EvictOther(Result* result) {
  if (options_.others == nullptr) return false;
  const std::optional<uint32_t> used_s = options_.others->OldestUse();
  if (!used_s.has_value()) return false;
  if (!candidates_.empty()) {
    const Catalog::Entry& next = candidates_.back().entry;
    const bool is_own = options_.evicts != Evicts::kAll && !next.fetched;
    if (!is_own && next.used_s < *used_s) return false;
  }
  result->stuck = false;
  std::string uri;
  const uint64_t bytes = options_.others->EvictOldest(&uri);
  if (bytes == 0) return true;
  result->bytes += bytes;
  Note(uri, bytes);
  return true;
}

void Eviction::Note(absl::string_view uri, uint64_t bytes) {
  evicted_.fetch_add(1, std::memory_order_relaxed);
  evicted_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (options_.evicted != nullptr) options_.evicted(uri, bytes);
}

Eviction::Result Eviction::Evict(uint64_t bytes, size_t objects_max) {
  Result result;
  result.stuck = true;
  // This disk's own were picked when there were no others; what has been fetched since goes first.
  if (options_.evicts == Evicts::kFetchedFirst && !candidates_.empty() &&
      !candidates_.back().entry.fetched && options_.catalog->fetched() != 0)
    candidates_.clear();
  for (size_t tried = 0; result.bytes < bytes && tried < objects_max; ++tried) {
    if (candidates_.empty()) Pick();
    if (EvictOther(&result)) continue;
    if (candidates_.empty()) break;
    const Object candidate = std::move(candidates_.back());
    candidates_.pop_back();
    const std::optional<Catalog::Entry> now = options_.catalog->Find(candidate.uri);
    // gone, or used, or pinned since it was picked
    if (!now.has_value() || now->used_s > candidate.entry.used_s || !MayGo(*now)) {
      result.stuck = false;
      continue;
    }
    uint64_t size = 0;
    uint32_t read_s = 0;
    bool passed_over = false;
    const absl::Status deleted = options_.delete_if(candidate.uri, [&](int fd) {
      struct stat status;
      if (fstat(fd, &status) != 0) return false;
      size = std::min(static_cast<uint64_t>(status.st_size),
                      static_cast<uint64_t>(status.st_blocks) * 512);
      read_s = ToSeconds32(std::max(status.st_atim.tv_sec, status.st_mtim.tv_sec));
      if (read_s > candidate.entry.used_s) return false;
      // What the catalog says of its kind may be old; that it is not wanted brings it up to date.
      if (options_.evicts != Evicts::kAll) {
        Catalog::Entry entry;
        const Kind kind = KindOf(fd);
        entry.fetched = kind.fetched;
        entry.pinned = kind.pinned;
        if (!MayGo(entry)) return false;
      }
      passed_over = options_.pass_over != nullptr && options_.pass_over(fd);
      return !passed_over;
    });
    if (passed_over) {
      // It is in use at this moment. Others may not be.
      options_.catalog->Touch(candidate.uri, ToSeconds32(time(nullptr)));
      result.stuck = false;
      if (++passed_over_ < options_.catalog->objects()) continue;
      passed_over_ = 0;
      result.stuck = true;  // all there is has been passed over
      return result;
    }
    passed_over_ = 0;
    result.stuck =
        result.stuck && !deleted.ok() && !absl::IsAborted(deleted) && !absl::IsNotFound(deleted);
    if (deleted.ok()) {
      result.bytes += size;
      Note(candidate.uri, size);
    } else if (absl::IsAborted(deleted)) {
      options_.catalog->Touch(candidate.uri, read_s);
    } else if (!absl::IsNotFound(deleted)) {
      LOG_EVERY_N(WARNING, 1000) << "eviction: " << deleted.message();
    }
  }
  return result;
}

}  // namespace objmapper::storage
