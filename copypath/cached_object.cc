// An object's descriptor, mapping and copy, and which windows of it were recently in the page
// cache. What may take long to free is freed elsewhere.
#include "copypath/cached_object.h"

#include <errno.h>
#include <glog/logging.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "net/errno_status.h"
#include "net/foreign_fd.h"
#include "text/printable.h"

namespace objmapper::copypath {
namespace {
// How long an append may take to be seen as one; the loop waits, which it does for nothing else.
constexpr int64_t kAppendNs = 1'000'000;

constexpr uint64_t kPageBytes = 4096;
// How long a window that was seen in the page cache is believed to be there still. Pages that were
// just used are the last that the kernel takes away.
constexpr int64_t kResidentForNs = 10'000'000;

// From this size on it may take long to let go of an object that has been removed.
constexpr uint64_t kLargeBytes = 16 * 1024 * 1024;
// How many windows are remembered before those that are remembered for nothing are forgotten.
constexpr size_t kWindowsMax = 256;

// What an object holds of the kernel's.
struct Held {
  net::UniqueFd fd;
  char* const map;
  const uint64_t bytes;
  Held(net::UniqueFd fd_in, char* map_in, uint64_t bytes_in)
      : fd(std::move(fd_in)), map(map_in), bytes(bytes_in) {}
  Held(const Held&) = delete;
  ~Held() {
    if (map != nullptr) munmap(map, bytes);
    net::Dispose(std::move(fd));
  }
};

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

CachedObject::~CachedObject() {
  DCHECK(waiters_.empty());
  // The file may have lost its name, or have been a client's memory, and this be the last that has
  // it.
  if (closer_ != nullptr && state_ == State::kReady && size() >= kLargeBytes) {
    closer_->Run([held = std::make_shared<Held>(std::move(loaded_.fd), map_, size())] {});
  } else if (map_ != nullptr) {
    munmap(map_, size());
  }
}

void CachedObject::Fill(storage::LoadedObject loaded, int64_t now_ns) {
  DCHECK(state_ == State::kLoading);
  loaded_ = std::move(loaded);
  checked_ns_ = now_ns;
  state_ = State::kReady;
}

void CachedObject::Fail(absl::Status error) {
  error_ = std::move(error);
  state_ = State::kFailed;
}

void CachedObject::Await(ObjectWaiter* waiter) {
  if (std::find(waiters_.begin(), waiters_.end(), waiter) == waiters_.end())
    waiters_.push_back(waiter);
}

void CachedObject::TellWaiters() {
  std::vector<ObjectWaiter*> waiters;
  waiters.swap(waiters_);
  for (ObjectWaiter* waiter : waiters) waiter->OnObjectChanged(this);
}

absl::Status CachedObject::Map() {
  if (prepared_) return absl::OkStatus();
  if (size() <= kMappedBytesMax) {
    void* map = mmap(nullptr, size(), PROT_READ, MAP_SHARED, fd(), 0);
    if (map != MAP_FAILED) {
      map_ = static_cast<char*>(map);
    } else if (errno != ENOMEM) {
      return net::ErrnoToStatus(errno, absl::StrCat("mmap ", text::Quoted(uri_)));
    }
  }
  prepared_ = true;
  mincore_tells_ = MincoreTells(fd());
  return absl::OkStatus();
}

std::pair<uint64_t, uint64_t> CachedObject::Window(size_t index) const {
  const uint64_t begin = index * kWindowBytes;
  return {begin, std::min(begin + kWindowBytes, size())};
}

CachedObject::Residency CachedObject::ResidencyOf(size_t index, int64_t now_ns) {
  const auto known = windows_.find(index);
  if (known != windows_.end()) {
    const WindowState& window = known->second;
    if (window.residency == Residency::kComing) return window.residency;
    if (window.residency == Residency::kResident && now_ns - window.seen_ns <= kResidentForNs)
      return window.residency;
    windows_.erase(known);
  }
  if (!mincore_tells_ || !IsInPageCache(index)) return Residency::kUnknown;
  SetResidency(index, Residency::kResident, now_ns);
  return Residency::kResident;
}

bool CachedObject::IsInPageCache(size_t index) const {
  const auto [begin, end] = Window(index);
  char* window = map_ == nullptr ? nullptr : map_ + begin;
  if (window == nullptr) {
    void* map = mmap(nullptr, end - begin, PROT_READ, MAP_SHARED, fd(), static_cast<off_t>(begin));
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

void CachedObject::SetResidency(size_t index, Residency residency, int64_t now_ns) {
  if (windows_.size() >= kWindowsMax) {
    absl::erase_if(windows_, [now_ns](const auto& window) {
      return window.second.residency != Residency::kComing &&
             now_ns - window.second.seen_ns > kResidentForNs;
    });
  }
  windows_[index] = {residency, now_ns};
}

bool CachedObject::IsComing(size_t index) const {
  const auto known = windows_.find(index);
  return known != windows_.end() && known->second.residency == Residency::kComing;
}

absl::Status CachedObject::ReadChecked(uint64_t offset, size_t bytes, char* out) const {
  const absl::Status read = Read(offset, bytes, out);
  return read.ok() ? CheckUnchanged() : read;
}

absl::Status CachedObject::Read(uint64_t offset, size_t bytes, char* out) const {
  size_t have = 0;
  int flags = RWF_NOWAIT;
  while (have < bytes) {
    iovec piece{out + have, bytes - have};
    const ssize_t got = preadv2(fd(), &piece, 1, static_cast<off_t>(offset + have), flags);
    if (got > 0) {
      have += static_cast<size_t>(got);
    } else if (got == 0) {
      return absl::AbortedError(absl::StrCat(text::Quoted(uri_), " has become shorter"));
    } else if (errno == EOPNOTSUPP) {
      flags = 0;  // a file system in memory, which cannot block
    } else if (errno == EAGAIN) {
      return absl::UnavailableError("not in the page cache");
    } else if (errno != EINTR) {
      return net::ErrnoToStatus(errno, absl::StrCat("read ", text::Quoted(uri_)));
    }
  }
  return absl::OkStatus();
}

absl::Status CachedObject::CheckUnchanged() const {
  int64_t give_up_ns = 0;
  while (true) {
    const absl::StatusOr<storage::ObjectInfo> after = storage::InfoOf(fd(), uri_);
    if (!after.ok()) return after.status();
    if (after->size > info().size || *after == info()) return absl::OkStatus();
    if (after->size == info().size) {
      if (after->mtime_ns == info().mtime_ns) return absl::OkStatus();
      // An append sets the time before it sets the size, and looks like this in between.
      const int64_t now_ns = net::NowNs();
      if (give_up_ns == 0) give_up_ns = now_ns + kAppendNs;
      if (now_ns < give_up_ns) {
        sched_yield();
        continue;
      }
    }
    return absl::AbortedError(absl::StrCat(text::Quoted(uri_), " was changed while it was sent"));
  }
}

}  // namespace objmapper::copypath
