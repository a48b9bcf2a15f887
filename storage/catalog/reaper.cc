// Deletes expired objects and, above the level, evicts; a bounded number at a time, so that changes
// of the tree are processed in between.
#include "storage/catalog/reaper.h"

#include <glog/logging.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "storage/tree/attributes.h"

namespace objmapper::storage {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
// How often everything is looked at.
constexpr int64_t kPeriodNs = kSecondNs / 4;
// Deleted in one go, before changes in the tree get their turn.
constexpr size_t kObjectsMax = 64;
// After a go in which nothing could be deleted: it would fail again.
constexpr int64_t kPauseNs = 5 * kSecondNs;
// For bytes of what was evicted to become free: a btrfs writes its checkpoint every 30 s.
constexpr int64_t kPatienceNs = 35 * kSecondNs;
// How exact the times of use are.
constexpr int64_t kTurnNs = 60 * kSecondNs;

}  // namespace

Reaper::Reaper(Options options)
    : options_(std::move(options)),
      eviction_({.catalog = options_.catalog,
                 .delete_if = options_.delete_if,
                 // What lies on another file system brings nothing back here. While there are more
                 // removed files open than can be kept, what somebody has open would only be one
                 // more, whose bytes do not come back and are not known to be on their way:
                 // everything would go for nothing.
                 .pass_over =
                     [unlinked = options_.unlinked, limits = options_.limits](int fd) {
                       return !limits->Frees(fd) ||
                              (unlinked->full() && UnlinkedFiles::IsOpenElsewhere(fd));
                     },
                 .evicts = options_.evicts,
                 .others = options_.others,
                 .evicted = options_.evicted}) {}

int64_t Reaper::Do(int64_t now_ns) {
  TakeMarks(now_ns);
  options_.unlinked->Probe();
  const bool more_expired = Expire(now_ns);
  const bool more_evicted = Evict(now_ns);
  return more_expired || more_evicted ? now_ns : now_ns + kPeriodNs;
}

void Reaper::TakeMarks(int64_t now_ns) {
  if (options_.marks == nullptr) return;
  const uint32_t now_s = ToSeconds32(options_.unix_seconds());
  for (const std::string& uri : options_.marks->Take()) {
    absl::string_view name = uri;
    while (!name.empty() && name.front() == '/') name.remove_prefix(1);
    options_.catalog->Touch(name, now_s);
  }
  if (now_ns >= turn_at_ns_) {
    turn_at_ns_ = now_ns + kTurnNs;
    options_.marks->NextTurn();
  }
}

bool Reaper::Expire(int64_t now_ns) {
  if (now_ns < expire_at_ns_) return false;
  const int64_t now_s = options_.unix_seconds();
  const std::vector<std::string> due = options_.catalog->Expired(ToSeconds32(now_s), kObjectsMax);
  bool progress = due.empty();
  for (const std::string& uri : due) {
    const absl::Status deleted = options_.delete_if(uri, [&](int fd) {
      const std::optional<int64_t> expires_s = ExpiryOf(fd);
      return expires_s.has_value() && *expires_s <= now_s;
    });
    if (deleted.ok()) expired_.fetch_add(1, std::memory_order_relaxed);
    // Another object has its name by now, or none: the catalog has learned of that.
    if (deleted.ok() || absl::IsAborted(deleted) || absl::IsNotFound(deleted)) {
      progress = true;
    } else {
      LOG_EVERY_N(WARNING, 1000) << "an expired object could not be removed: " << deleted.message();
    }
  }
  if (!progress) expire_at_ns_ = now_ns + kPauseNs;
  return progress && due.size() == kObjectsMax;
}

bool Reaper::Evict(int64_t now_ns) {
  // Whatever the levels are, this is what asks the file system now and then.
  const DiskLimits::Fill fill = options_.limits->Ask();
  // Until the walk is over nobody knows what was used longest ago.
  if (fill.excess == 0 || options_.marks == nullptr ||
      !(options_.catalog->complete() || options_.catalog->left_out())) {
    to_free_ = 0;
    return false;
  }
  if (now_ns < evict_at_ns_) return false;
  if (to_free_ == 0) {
    // Some file systems (btrfs) free what is deleted only when they next write a checkpoint. Who
    // went by what they say of their room until then would delete all there is.
    const uint64_t came_back =
        before_.used + (fill.reserved_total - before_.reserved_total) - fill.used;
    const bool is_back = static_cast<int64_t>(came_back) >= static_cast<int64_t>(freed_ / 2);
    if (!fill.exact && freed_ != 0 && !is_back && now_ns < patience_ns_) return false;
    to_free_ = fill.excess;
    before_ = fill;
    freed_ = 0;
  }
  const Eviction::Result result = eviction_.Evict(to_free_, kObjectsMax);
  freed_ += result.bytes;
  to_free_ -= std::min(to_free_, result.bytes);
  patience_ns_ = now_ns + kPatienceNs;
  if (!result.stuck) return true;
  evict_at_ns_ = now_ns + kPauseNs;
  return false;
}

}  // namespace objmapper::storage
