#include "tools/bench/page_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "net/unique_fd.h"
#include "tools/bench/machine.h"

namespace objmapper::bench {

namespace {

// Adds its size to `bytes_dropped`.
absl::Status Drop(const std::string& path, size_t& bytes_dropped) {
  net::UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat stat;
  // Dirty pages are not dropped: fsync first.
  if (file.get() < 0 || fsync(file.get()) != 0 || fstat(file.get(), &stat) != 0) {
    return net::ErrnoToStatus(errno, absl::StrCat("sync ", path));
  }
  if (stat.st_size == 0) return absl::OkStatus();
  if (const int error = posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED); error != 0) {
    return net::ErrnoToStatus(error, absl::StrCat("drop ", path, " from the page cache"));
  }
  const size_t bytes = static_cast<size_t>(stat.st_size);
  bytes_dropped += bytes;
  void* const mapping = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.get(), 0);
  if (mapping == MAP_FAILED) return net::ErrnoToStatus(errno, absl::StrCat("map ", path));
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident((bytes + page - 1) / page);
  const int result = mincore(mapping, bytes, resident.data());
  munmap(mapping, bytes);
  if (result != 0) return net::ErrnoToStatus(errno, absl::StrCat("mincore ", path));
  const auto stayed = std::count_if(resident.begin(), resident.end(),
                                    [](unsigned char flags) { return (flags & 1) != 0; });
  if (stayed == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(stayed, " pages of ", path,
                   " stay in the page cache; --work_dir must be on a disk, not on tmpfs"));
}

absl::Status TouchFreeMemory(size_t bytes) {
  constexpr size_t kHugePage = 2 << 20;
  bytes = std::min(bytes, MemoryAvailable() / 2) / kHugePage * kHugePage;
  if (bytes == 0) return absl::OkStatus();
  void* const memory =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return net::ErrnoToStatus(errno, absl::StrCat("map ", bytes, " bytes"));
  // Both are for a steadier figure only; an old kernel (before 5.14 for the second) measures
  // without.
  (void)madvise(memory, bytes, MADV_HUGEPAGE);
  (void)madvise(memory, bytes, MADV_POPULATE_WRITE);
  munmap(memory, bytes);
  return absl::OkStatus();
}

}  // namespace

absl::Status MakeCold(const std::vector<std::string>& paths) {
  size_t bytes = 0;
  for (const std::string& path : paths) {
    absl::Status status = Drop(path, bytes);
    if (!status.ok()) return status;
  }
  return TouchFreeMemory(bytes);
}

}  // namespace objmapper::bench
