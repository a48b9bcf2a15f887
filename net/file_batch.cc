// Opens and closes by one io_uring_enter(2). Every operation completes inside Submit(): opens are
// RESOLVE_CACHED, so none waits for a disk. After CutShort() the opens that the kernel has not
// begun yet fail at once.
#include "net/file_batch.h"

#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <liburing.h>
#include <linux/openat2.h>
#include <string.h>

#include <algorithm>
#include <atomic>

#include "net/ring.h"

namespace objmapper::net {
namespace {

constexpr unsigned kEntries = 256;
// Two that exclude each other: EINVAL (openat2(2)).
constexpr uint64_t kCut = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
constexpr int kNeededOperations[] = {IORING_OP_OPENAT2, IORING_OP_CLOSE};

open_how ReadCached() {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
  how.resolve = RESOLVE_CACHED;
  return how;
}

// A close carries its descriptor, to be named if it fails; an open the address of its result, which
// is even.
uint64_t CloseTag(int fd) { return static_cast<uint64_t>(fd) << 1 | 1; }

}  // namespace

FileBatch::FileBatch() : ring_(std::make_unique<io_uring>()), how_(ReadCached()) {}

absl::StatusOr<std::unique_ptr<FileBatch>> FileBatch::Create() {
  auto batch = std::unique_ptr<FileBatch>(new FileBatch());
  io_uring_params params{};
  params.flags = IORING_SETUP_CLAMP | IORING_SETUP_COOP_TASKRUN;
  if (const int error = io_uring_queue_init_params(kEntries, batch->ring_.get(), &params);
      error != 0) {
    batch->ring_.reset();
    return RingSetupError(-error);
  }
  if (absl::Status can = CheckOperations(batch->ring_.get(), kNeededOperations); !can.ok())
    return can;
  return batch;
}

FileBatch::~FileBatch() {
  if (ring_ == nullptr) return;
  Submit();
  io_uring_queue_exit(ring_.get());
}

void FileBatch::Open(int directory, const char* name, int* result) {
  io_uring_sqe* const entry = NextEntry();
  io_uring_prep_openat2(entry, directory, name, &how_);
  *result = -EAGAIN;  // stays, should the kernel lose the completion
  entry->user_data = reinterpret_cast<uint64_t>(result);
}

io_uring_sqe* FileBatch::NextEntry() {
  io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
  if (entry == nullptr) {
    Enter();
    entry = io_uring_get_sqe(ring_.get());
  }
  ++queued_;
  return entry;
}

void FileBatch::Submit() {
  if (queued_ == 0 && closes_.size() == 1) {
    closes_.clear();  // one close(2) is cheaper than a ring's
    return;
  }
  for (UniqueFd& fd : closes_) {
    io_uring_sqe* const entry = NextEntry();
    const int number = fd.Release();
    io_uring_prep_close(entry, number);
    entry->user_data = CloseTag(number);
  }
  closes_.clear();
  if (queued_ > 0) Enter();
  std::atomic_ref<__u64> resolve(how_.resolve);
  if (resolve.load(std::memory_order_relaxed) == kCut)
    resolve.store(RESOLVE_CACHED, std::memory_order_relaxed);
}

void FileBatch::CutShort() {
  std::atomic_ref<__u64>(how_.resolve).store(kCut, std::memory_order_relaxed);
}

// Submits what is in the queue and takes what came of it. None of it waits, so all completes
// inside.
void FileBatch::Enter() {
  while (queued_ > 0) {
    const int submitted = io_uring_submit_and_wait(ring_.get(), queued_);
    // EBADR: completions were lost for want of memory; the kernel's count says how many. (The queue
    // holds all of a round, so that it should never come to that.)
    CHECK(submitted >= 0 || submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY ||
          submitted == -ENOMEM || submitted == -EBADR)
        << "io_uring_enter: " << strerror(-submitted);
    unsigned head;
    unsigned count = 0;
    io_uring_cqe* cqe;
    io_uring_for_each_cqe(ring_.get(), head, cqe) {
      ++count;
      if ((cqe->user_data & 1) == 0) {
        *reinterpret_cast<int*>(cqe->user_data) = cqe->res;
      } else {
        CHECK_NE(cqe->res, -EBADF)
            << "descriptor " << (cqe->user_data >> 1) << " was closed by other code";
      }
    }
    io_uring_cq_advance(ring_.get(), count);
    const unsigned lost = *static_cast<volatile unsigned*>(ring_->cq.koverflow);
    count += lost - lost_seen_;
    lost_seen_ = lost;
    queued_ -= std::min(count, queued_);
  }
}

}  // namespace objmapper::net
