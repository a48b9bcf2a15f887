// Levels in bytes or per cent, compared with what the file system or the catalog reports. Room that
// unfinished objects have taken is counted until they end.
#include "storage/catalog/disk_limits.h"

#include <glog/logging.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace objmapper::storage {
namespace {

using Of = DiskLevel::Of;

// More than any disk; and its product with 100 still fits.
constexpr double kBytesMax = 1e17;

}  // namespace

absl::StatusOr<DiskLevel> ParseDiskLevel(absl::string_view text) {
  const absl::Status wrong = absl::InvalidArgumentError(
      "expected a percentage of the file system from 1% to 100%, such as 90%, or bytes of objects, "
      "such as 200G");
  if (text.empty()) return DiskLevel{};
  if (absl::ConsumeSuffix(&text, "%")) {
    uint32_t percent = 0;
    const bool digits = text.find_first_not_of("0123456789") == text.npos;
    if (!digits || !absl::SimpleAtoi(text, &percent) || percent < 1 || percent > 100) return wrong;
    return DiskLevel{Of::kFileSystem, percent};
  }
  constexpr absl::string_view kUnits = "KMGT";
  double factor = 1;
  const size_t unit = text.empty() ? kUnits.npos : kUnits.find(text.back());
  if (unit != kUnits.npos) {
    text.remove_suffix(1);
    for (size_t i = 0; i <= unit; ++i) factor *= 1024;
  }
  double number = 0;
  // Digits alone: SimpleAtod() knows "inf", "1e9" and "-1" too.
  if (text.find_first_not_of("0123456789.") != text.npos || !absl::SimpleAtod(text, &number))
    return wrong;
  number *= factor;
  if (number < 1 || number > kBytesMax) return wrong;
  return DiskLevel{Of::kObjects, static_cast<uint64_t>(number)};
}

DiskLimits::DiskLimits(const Options& options) : options_(options) {
  CHECK(options.evict_at.of == Of::kNothing || options.refuse_at.of == Of::kNothing ||
        options.evict_at.of == options.refuse_at.of);
  const net::MutexLock lock(&mutex_);
  AskFileSystem();
}

void DiskLimits::AskFileSystem() {
  struct statvfs status;
  if (fstatvfs(options_.tree->root().fd(), &status) != 0) {
    // It goes by what it knew. That does not happen to a file system of this machine.
    LOG_EVERY_N(ERROR, 1000) << "disk limits: the file system's size cannot be read";
    return;
  }
  const uint64_t block = static_cast<uint64_t>(status.f_frsize);
  // What file systems in user space say need not add up.
  const uint64_t used =
      (status.f_blocks - std::min<uint64_t>(status.f_bfree, status.f_blocks)) * block;
  if (status.f_blocks == 0) {
    // ramfs and the like: that there are no blocks means that nobody counts them.
    const bool of_share =
        options_.evict_at.of == Of::kFileSystem || options_.refuse_at.of == Of::kFileSystem;
    LOG_IF_EVERY_N(WARNING, of_share, 10000)
        << "disk limits: the file system of the root does not report its size: no percentage of it "
           "is ever reached";
  }
  blocks_.store(status.f_blocks, std::memory_order_relaxed);
  disk_used_.store(used, std::memory_order_relaxed);
  // without what root alone may use
  disk_bytes_.store(used + status.f_bavail * block, std::memory_order_relaxed);
  fsid_.store(status.f_fsid, std::memory_order_relaxed);
  reserved_since_.store(0, std::memory_order_relaxed);
}

bool DiskLimits::OfObjects() const {
  return options_.evict_at.of == Of::kObjects || options_.refuse_at.of == Of::kObjects;
}

uint64_t DiskLimits::BytesOf(const DiskLevel& level) const {
  if (level.of == Of::kFileSystem)
    return disk_bytes_.load(std::memory_order_relaxed) / 100 * level.value;
  return level.value;
}

bool DiskLimits::Frees(int fd) const {
  if (options_.evict_at.of != Of::kFileSystem) return true;
  struct statfs system;
  uint64_t fsid;
  static_assert(sizeof(fsid) == sizeof(system.f_fsid));
  if (fstatfs(fd, &system) != 0) return true;
  // As statvfs(3) puts it together.
  memcpy(&fsid, &system.f_fsid, sizeof(fsid));
  if (IsHere(fsid)) return true;
  // Each subvolume has a number of its own, and all have the same blocks.
  return system.f_type == BTRFS_SUPER_MAGIC &&
         system.f_blocks == blocks_.load(std::memory_order_relaxed);
}

uint64_t DiskLimits::used() const {
  if (OfObjects()) return ObjectBytes() + reserved_.load(std::memory_order_relaxed);
  return disk_used_.load(std::memory_order_relaxed) +
         reserved_since_.load(std::memory_order_relaxed);
}

absl::Status DiskLimits::CheckNow(uint64_t bytes, absl::string_view peer) const {
  // What objects, and others, leave to those that are on their way.
  const uint64_t coming = reserved_.load(std::memory_order_relaxed);
  uint64_t room = UINT64_MAX;
  if (IsLimit(options_.refuse_at)) {
    const uint64_t limit = BytesOf(options_.refuse_at), all = used();
    if (bytes > limit || all > limit - bytes) {
      return absl::UnavailableError(
          "the disk is full up to its limit (--disk_refuse_at): try again later");
    }
    room = limit - (all - std::min(all, coming));
  }
  if (peer.empty() || options_.peer_percent >= 100) return absl::OkStatus();
  if (const uint64_t disk = disk_bytes_.load(std::memory_order_relaxed); disk != 0) {
    const uint64_t taken = disk_used_.load(std::memory_order_relaxed) +
                           reserved_since_.load(std::memory_order_relaxed);
    room = std::min(room, disk - std::min(disk, taken) + coming);
  }
  room = room / 100 * options_.peer_percent;
  const auto found = by_peer_.find(peer);
  const uint64_t its = found == by_peer_.end() ? 0 : found->second;
  if (bytes <= room && its <= room - bytes) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      bytes, " bytes more of ", peer, ", of which ", its, " are unfinished, exceed the ", room,
      " that one peer may take (--put_room_per_peer): try again later"));
}

absl::Status DiskLimits::CheckAndAsk(uint64_t bytes, absl::string_view peer) {
  if (CheckNow(bytes, peer).ok()) return absl::OkStatus();
  AskFileSystem();
  absl::Status fits = CheckNow(bytes, peer);
  if (!fits.ok()) refused_.fetch_add(1, std::memory_order_relaxed);
  return fits;
}

absl::Status DiskLimits::Check(uint64_t bytes) {
  const net::MutexLock lock(&mutex_);
  if (const uint64_t evict_at = evict_at_bytes(); IsLimit(options_.evict_at) && bytes > evict_at) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return absl::UnavailableError(absl::StrCat(bytes, " bytes are more than can be kept: above ",
                                               evict_at, " objects are evicted (--disk_evict_at)"));
  }
  return CheckAndAsk(bytes, "");
}

absl::Status DiskLimits::Room::Fits(uint64_t bytes) const {
  if (limits_ == nullptr) return absl::OkStatus();
  const net::MutexLock lock(&limits_->mutex_);
  return limits_->CheckAndAsk(bytes, peer_);
}

absl::Status DiskLimits::Room::Extend(uint64_t bytes) {
  if (limits_ == nullptr || bytes == 0) return absl::OkStatus();
  const net::MutexLock lock(&limits_->mutex_);
  if (absl::Status fits = limits_->CheckAndAsk(bytes, peer_); !fits.ok()) return fits;
  limits_->reserved_since_.fetch_add(bytes, std::memory_order_relaxed);
  limits_->reserved_.fetch_add(bytes, std::memory_order_relaxed);
  limits_->reserved_total_ += bytes;
  limits_->by_peer_[peer_] += bytes;
  bytes_ += bytes;
  return absl::OkStatus();
}

DiskLimits::Fill DiskLimits::Ask() {
  Fill fill;
  {
    const net::MutexLock lock(&mutex_);
    AskFileSystem();
    fill.reserved_total = reserved_total_;
  }
  if (OfObjects()) {
    fill.used = ObjectBytes();
    fill.exact = true;
  } else {
    const uint64_t going = options_.unlinked->bytes();
    const uint64_t on_disk = disk_used_.load(std::memory_order_relaxed);
    fill.used = on_disk > going ? on_disk - going : 0;
  }
  const uint64_t limit = evict_at_bytes();
  if (IsLimit(options_.evict_at) && fill.used > limit) fill.excess = fill.used - limit;
  return fill;
}

DiskLimits::Room::Room(Room&& other) noexcept
    : limits_(std::exchange(other.limits_, nullptr)),
      peer_(std::move(other.peer_)),
      bytes_(other.bytes_) {}

DiskLimits::Room& DiskLimits::Room::operator=(Room&& other) noexcept {
  std::swap(limits_, other.limits_);
  std::swap(peer_, other.peer_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

DiskLimits::Room::~Room() {
  if (limits_ == nullptr || bytes_ == 0) return;
  const net::MutexLock lock(&limits_->mutex_);
  limits_->reserved_.fetch_sub(bytes_, std::memory_order_relaxed);
  const auto found = limits_->by_peer_.find(peer_);
  if ((found->second -= bytes_) == 0) limits_->by_peer_.erase(found);
}

}  // namespace objmapper::storage
