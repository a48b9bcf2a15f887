// Holds deleted files that are open elsewhere and probes them with write leases. The last close(2)
// of a file is never made under the lock.
#include "storage/catalog/unlinked_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace objmapper::storage {
namespace {
// Two system calls each.
constexpr size_t kProbedAtOnce = 1024;
}  // namespace

// A lease that is got ends with the descriptor at the latest; F_UNLCK is for when it stays.
bool UnlinkedFiles::IsOpenElsewhere(int file) {
  if (fcntl(file, F_SETLEASE, F_WRLCK) == 0) {
    fcntl(file, F_SETLEASE, F_UNLCK);
    return false;
  }
  return errno == EAGAIN;
}

void UnlinkedFiles::Take(net::UniqueFd file) {
  struct stat status;
  if (fstat(file.get(), &status) != 0 || status.st_nlink != 0 || !IsOpenElsewhere(file.get()))
    return;
  const net::MutexLock lock(&mutex_);
  if (kept_.size() >= files_max_) {
    untold_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  // stat(2): of 512 bytes, whatever st_blksize says
  const uint64_t bytes = static_cast<uint64_t>(status.st_blocks) * 512;
  kept_.push_back({std::move(file), bytes});
  files_.fetch_add(1, std::memory_order_relaxed);
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
}

void UnlinkedFiles::Probe() {
  // closed without the lock: the last close(2) of a large file takes its time
  std::vector<Kept> freed;
  const net::MutexLock lock(&mutex_);
  if (next_ >= kept_.size()) next_ = 0;
  const auto from = kept_.begin() + static_cast<ptrdiff_t>(next_);
  const auto to = from + static_cast<ptrdiff_t>(std::min(kProbedAtOnce, kept_.size() - next_));
  const auto first =
      std::partition(from, to, [](const Kept& kept) { return IsOpenElsewhere(kept.file.get()); });
  next_ = static_cast<size_t>(first - kept_.begin());
  std::move(first, to, std::back_inserter(freed));
  kept_.erase(first, to);
  for (const Kept& kept : freed) {
    files_.fetch_sub(1, std::memory_order_relaxed);
    bytes_.fetch_sub(kept.bytes, std::memory_order_relaxed);
  }
}

}  // namespace objmapper::storage
