// An object's descriptor, mapping and copy, and what becomes of them. What may take long to free is
// freed elsewhere.
#include "copypath/cached_object.h"

#include <errno.h>
#include <glog/logging.h>
#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "net/foreign_fd.h"
#include "storage/tree/description.h"
#include "text/printable.h"

namespace objmapper::copypath {
namespace {
// From this size on it may take long to let go of an object that has been removed.
constexpr uint64_t kLargeBytes = 16 * 1024 * 1024;
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

}  // namespace

CachedObject::~CachedObject() {
  DCHECK(waiters_.empty());
  // The file may have lost its name, or have been a client's memory, and this be the last that has
  // it.
  if (closer_ != nullptr && filling_ != nullptr) {
    closer_->Run([held = std::move(filling_)] {});
  } else if (closer_ != nullptr && state_ == State::kReady && size() >= kLargeBytes) {
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

void CachedObject::Fill(std::shared_ptr<storage::Filling> filling, int64_t now_ns) {
  DCHECK(state_ == State::kLoading);
  filling_ = std::move(filling);
  const storage::Description& description = filling_->description();
  loaded_.info.size = description.size;
  loaded_.info.mtime_s = description.mtime_s;
  loaded_.info.expires_s = description.expires_s;
  loaded_.tier = description.tier;
  etag_ = description.etag;
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

const std::string& CachedObject::etag() {
  if (etag_.empty()) etag_ = storage::EtagOf(fd(), info(), tier());
  return etag_;
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
  windows_.Begin(fd(), size(), map_);
  return absl::OkStatus();
}

}  // namespace objmapper::copypath
