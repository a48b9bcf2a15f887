// Asking mincore(2), and believing it for a moment.
#include "copypath/windows.h"

#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace objmapper::copypath {
namespace {

constexpr uint64_t kPageBytes = 4096;
// How long a window that was seen in the page cache is believed to be there still. Pages that were
// just used are the last that the kernel takes away.
constexpr int64_t kResidentForNs = 10'000'000;
// How many windows are remembered before those that are remembered for nothing are forgotten.
constexpr size_t kWindowsMax = 256;

bool HasCapFowner() {
  static const bool has = [] {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (syscall(SYS_capget, &header, data) != 0) return false;
    return (data[0].effective & (1u << CAP_FOWNER)) != 0;
  }();
  return has;
}

// mincore(2) tells the truth only to those who own the file or may write to it (can_do_mincore() in
// mm/mincore.c); others are told that every page is there.
bool MincoreTells(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) return false;
  return status.st_uid == geteuid() || HasCapFowner();
}

}  // namespace

void Windows::Begin(int fd, uint64_t size, char* map) {
  fd_ = fd;
  size_ = size;
  map_ = map;
  mincore_tells_ = MincoreTells(fd);
}

Residency Windows::Of(size_t index, int64_t now_ns) {
  const auto known = windows_.find(index);
  if (known != windows_.end()) {
    const Window& window = known->second;
    if (window.residency == Residency::kComing) return window.residency;
    if (window.residency == Residency::kResident && now_ns - window.seen_ns <= kResidentForNs)
      return window.residency;
    windows_.erase(known);
  }
  if (!mincore_tells_ || !IsInPageCache(index)) return Residency::kUnknown;
  Set(index, Residency::kResident, now_ns);
  return Residency::kResident;
}

bool Windows::IsInPageCache(size_t index) const {
  const auto [begin, end] = WindowOf(size_, index);
  char* window = map_ == nullptr ? nullptr : map_ + begin;
  if (window == nullptr) {
    void* map = mmap(nullptr, end - begin, PROT_READ, MAP_SHARED, fd_, static_cast<off_t>(begin));
    if (map == MAP_FAILED) return false;
    window = static_cast<char*>(map);
  }
  unsigned char pages[kWindowBytes / kPageBytes];
  const size_t count = (end - begin + kPageBytes - 1) / kPageBytes;
  const bool all =
      mincore(window, end - begin, pages) == 0 &&
      std::all_of(pages, pages + count, [](unsigned char page) { return (page & 1) != 0; });
  if (map_ == nullptr) munmap(window, end - begin);
  return all;
}

void Windows::Set(size_t index, Residency residency, int64_t now_ns) {
  if (windows_.size() >= kWindowsMax) {
    absl::erase_if(windows_, [now_ns](const auto& window) {
      return window.second.residency != Residency::kComing &&
             now_ns - window.second.seen_ns > kResidentForNs;
    });
  }
  windows_[index] = {residency, now_ns};
}

bool Windows::IsComing(size_t index) const {
  const auto known = windows_.find(index);
  return known != windows_.end() && known->second.residency == Residency::kComing;
}

}  // namespace objmapper::copypath
