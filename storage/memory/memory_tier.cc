// Objects in memory. Each has one open memfd, which is opened anew through /proc/self/fd for every
// reader, so that no two readers share an offset.
#include "storage/memory/memory_tier.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "absl/hash/hash.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "net/errno_status.h"
#include "storage/tree/object_info.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {
namespace {

// A time to live that is told, in seconds; longer ones are as good as this.
constexpr int64_t kLifeMaxS = int64_t{1} << 40;

constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;

// The name that a URI means, as a view of the URI where it is one already, else of `room`.
absl::string_view NameOf(absl::string_view uri, std::string* room) {
  while (absl::StartsWith(uri, "/")) uri.remove_prefix(1);
  const bool plain = !absl::StrContains(uri, "//") && !absl::StrContains(uri, "/./") &&
                     !absl::StartsWith(uri, "./");
  if (plain) return uri;
  // What ends in '/' or "/." names a directory, and no object: it keeps its end.
  while (!uri.empty()) {
    const size_t slash = std::min(uri.find('/'), uri.size());
    const absl::string_view part = uri.substr(0, slash);
    const bool last = slash == uri.size();
    if (last || !(part.empty() || part == ".")) absl::StrAppend(room, part, last ? "" : "/");
    uri.remove_prefix(std::min(slash + 1, uri.size()));
  }
  return *room;
}

size_t HashOf(absl::string_view name) { return absl::Hash<absl::string_view>()(name); }

// What times to live are counted by: no clock that anybody sets, and one that goes on while the
// machine sleeps.
int64_t LifeNs() { return net::NowNs(CLOCK_BOOTTIME); }

// Saturates.
int64_t LifeNsAfter(absl::Duration ttl) {
  int64_t end_ns;
  return __builtin_add_overflow(LifeNs(), absl::ToInt64Nanoseconds(ttl), &end_ns) ? INT64_MAX - 1
                                                                                  : end_ns;
}

// What an object takes of the room.
uint64_t Charge(uint64_t size) {
  static const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return std::max<uint64_t>(1, (size + page - 1) / page) * page;
}

}  // namespace

bool IsSealedMemfd(int fd) {
  // Fails with EINVAL for all but files of tmpfs and hugetlbfs. Files that have a name in a tmpfs
  // cannot be sealed.
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) return false;
  struct statfs system;
  return fstatfs(fd, &system) == 0 && system.f_type == TMPFS_MAGIC;
}

MemoryTier::MemoryTier(const Options& options, net::UniqueFd descriptors)
    : bytes_max_(options.bytes_max),
      descriptors_(std::move(descriptors)),
      objects_(S3FifoOptions{options.bytes_max, std::max<size_t>(1, options.objects_max)}),
      filter_(std::make_unique<std::atomic<uint32_t>[]>(kFilterSlots)) {}

absl::StatusOr<std::unique_ptr<MemoryTier>> MemoryTier::Create(const Options& options) {
  net::UniqueFd descriptors(open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!descriptors.valid()) {
    return absl::UnimplementedError(
        "objects in memory are opened through /proc/self/fd, which does not exist: mount /proc, or "
        "leave out --memory_limit");
  }
  auto tier = std::unique_ptr<MemoryTier>(new MemoryTier(options, std::move(descriptors)));
  const net::UniqueFd probe(memfd_create("objmapper-probe", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!probe.valid() || !tier->OpenAnew(probe.get(), "probe").ok()) {
    return absl::UnimplementedError(
        "this system does not allow opening a memfd through /proc/self/fd: leave out "
        "--memory_limit");
  }
  return tier;
}

absl::StatusOr<net::UniqueFd> MemoryTier::OpenAnew(int fd, absl::string_view uri) const {
  char number[16];
  *std::to_chars(number, number + sizeof(number) - 1, fd).ptr = '\0';
  net::UniqueFd anew(openat(descriptors_.get(), number, O_RDONLY | O_CLOEXEC));
  if (anew.valid()) return anew;
  const int error = errno;
  // The object is there: a /proc that has gone since the start must not look like its absence.
  if (error == ENOENT)
    return absl::InternalError("open an object in memory: /proc is no longer mounted");
  return net::ErrnoToStatus(
      error, absl::StrCat("open an object in memory of ", uri.size(), " bytes of name"));
}

net::Mutex& MemoryTier::LockOf(absl::string_view name) {
  return name_locks_[HashOf(name) % kNameLocks];
}

void MemoryTier::Forget(const Held& object) const {
  filter_[object->hash % kFilterSlots].fetch_sub(1, std::memory_order_release);
}

MemoryTier::Held MemoryTier::Find(absl::string_view uri, bool used) const {
  std::string room;
  const absl::string_view name = NameOf(uri, &room);
  if (filter_[HashOf(name) % kFilterSlots].load(std::memory_order_acquire) == 0) return nullptr;
  Held held;
  {
    const net::MutexLock lock(&mutex_);
    const Held* const found = used ? objects_.Find(name) : objects_.Peek(name);
    if (found != nullptr) held = *found;
  }
  if (held != nullptr && held->expires_ns != INT64_MAX && LifeNs() >= held->expires_ns)
    return nullptr;
  return held;
}

MemoryTier::Held MemoryTier::Take(absl::string_view name) {
  const net::MutexLock lock(&mutex_);
  Held held;
  if (objects_.Erase(name, &held)) Forget(held);
  return held;
}

std::vector<MemoryTier::Held> MemoryTier::TakeExpired() {
  std::vector<Held> gone;
  const int64_t now_ns = LifeNs();
  const net::MutexLock lock(&mutex_);
  while (!expiries_.empty() && expiries_.begin()->first <= now_ns) {
    const std::string& name = expiries_.begin()->second;
    // The name may be another object's by now.
    const Held* const found = objects_.Peek(name);
    if (found != nullptr && (*found)->expires_ns <= now_ns) {
      Held held;
      objects_.Erase(name, &held);
      Forget(held);
      gone.push_back(std::move(held));
    }
    expiries_.erase(expiries_.begin());
  }
  return gone;
}

absl::StatusOr<bool> MemoryTier::Adopt(absl::string_view uri, net::UniqueFd* fd, absl::Duration ttl,
                                       absl::FunctionRef<absl::Status()> remove_from_disk,
                                       absl::string_view owner) {
  struct stat status;
  const bool fits = IsSealedMemfd(fd->get()) && fstat(fd->get(), &status) == 0 &&
                    Charge(static_cast<uint64_t>(status.st_size)) <= bytes_max_ &&
                    status.st_blocks * 512 >= status.st_size;
  // Allowed to the memfd's owner and to root. Before it is seen, since it changes the ctime.
  if (fits) static_cast<void>(fchmod(fd->get(), 0444));
  if (!fits || !OpenAnew(fd->get(), uri).ok()) {
    ++refusals_;
    return false;
  }
  std::string room;
  const std::string name(NameOf(uri, &room));
  const int64_t expires_ns = ttl == absl::InfiniteDuration() ? INT64_MAX : LifeNsAfter(ttl);
  // Rather a second too early than too late.
  const int64_t expires_s = ttl == absl::InfiniteDuration()
                                ? 0
                                : time(nullptr) + std::min(absl::ToInt64Seconds(ttl), kLifeMaxS);
  const auto object =
      std::make_shared<Object>(Object{std::move(*fd), expires_ns, expires_s, HashOf(name)});

  expired_ += TakeExpired().size();
  const net::MutexLock name_lock(&LockOf(name));
  std::vector<Held> evicted;  // closed when no lock is held but the name's
  {
    const net::MutexLock lock(&mutex_);
    const bool replaces = objects_.Peek(name) != nullptr;
    // Before it is there: a lookup that finds the filter empty must be right.
    filter_[object->hash % kFilterSlots].fetch_add(1, std::memory_order_release);
    if (!objects_.Insert(owner, name, object, Charge(static_cast<uint64_t>(status.st_size)),
                         &evicted)) {
      Forget(object);
      *fd = object->fd.Release();
      ++refusals_;
      return false;
    }
    for (const Held& gone : evicted) Forget(gone);
    evictions_ += evicted.size() - (replaces ? 1 : 0);
    if (expires_ns != INT64_MAX) expiries_.emplace(expires_ns, name);
  }
  if (absl::Status removed = remove_from_disk(); !removed.ok() && !absl::IsNotFound(removed)) {
    Take(name);
    return removed;
  }
  ++adoptions_;
  return true;
}

absl::Status MemoryTier::Replace(absl::string_view uri, absl::FunctionRef<absl::Status()> store) {
  std::string room;
  const absl::string_view name = NameOf(uri, &room);
  const net::MutexLock name_lock(&LockOf(name));
  absl::Status stored = store();
  if (stored.ok()) Take(name);
  return stored;
}

absl::Status MemoryTier::Remove(absl::string_view uri,
                                absl::FunctionRef<absl::Status()> remove_from_disk) {
  std::string room;
  const absl::string_view name = NameOf(uri, &room);
  const net::MutexLock name_lock(&LockOf(name));
  // The disk first: what the object here hides must not be seen for a moment.
  absl::Status removed = remove_from_disk();
  if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  const Held held = Take(name);
  const bool was_here = held != nullptr && LifeNs() < held->expires_ns;
  return was_here ? absl::OkStatus() : removed;
}

std::vector<MemoryTier::Listed> MemoryTier::List(absl::string_view prefix,
                                                 absl::string_view after) const {
  std::vector<std::pair<std::string, Held>> found;
  {
    const net::MutexLock lock(&mutex_);
    objects_.ForEach([&](absl::string_view name, const Held& held) {
      if (absl::StartsWith(name, prefix) && name > after)
        found.emplace_back(std::string(name), held);
    });
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  const int64_t now_ns = LifeNs();
  std::vector<Listed> listed;
  for (auto& [name, held] : found) {
    if (now_ns >= held->expires_ns) continue;
    const absl::StatusOr<ObjectInfo> info = InfoOf(held->fd.get(), name);
    if (info.ok()) listed.push_back(Listed{std::move(name), *info});
  }
  return listed;
}

std::optional<absl::StatusOr<OpenedObject>> MemoryTier::Open(absl::string_view uri) {
  const Held held = Find(uri, /*used=*/true);
  if (held == nullptr) {
    misses_.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  hits_.fetch_add(1, std::memory_order_relaxed);
  absl::StatusOr<net::UniqueFd> fd = OpenAnew(held->fd.get(), uri);
  if (!fd.ok()) return fd.status();
  absl::StatusOr<ObjectInfo> info = InfoOf(fd->get(), uri);
  if (!info.ok()) return info.status();
  info->expires_s = held->expires_s;
  return OpenedObject{*std::move(fd), *info, Tier::kMemory};
}

std::optional<absl::StatusOr<ObjectInfo>> MemoryTier::Stat(absl::string_view uri) {
  const Held held = Find(uri, /*used=*/false);
  if (held == nullptr) return std::nullopt;
  absl::StatusOr<ObjectInfo> info = InfoOf(held->fd.get(), uri);
  if (info.ok()) info->expires_s = held->expires_s;
  return info;
}

bool MemoryTier::Has(absl::string_view uri) const { return Find(uri, /*used=*/false) != nullptr; }

MemoryTier::Counts MemoryTier::Read() const {
  Counts counts;
  {
    const net::MutexLock lock(&mutex_);
    counts.objects = objects_.size();
    counts.bytes = objects_.bytes();
  }
  counts.bytes_max = bytes_max_;
  counts.hits = hits_;
  counts.misses = misses_;
  counts.adoptions = adoptions_;
  counts.refusals = refusals_;
  counts.evictions = evictions_;
  counts.expired = expired_;
  return counts;
}

}  // namespace objmapper::storage
