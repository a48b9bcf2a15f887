// Reads only what the fill has said to be there: it stores a block's count after its bytes.
#include "origin/cache/partial_view.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>

#include "net/errno_status.h"

namespace objmapper::origin {

PartialView::PartialView(net::UniqueFd file, uint64_t size, uint32_t block_bytes, uint64_t blocks)
    : file_(std::move(file)),
      size_(size),
      block_bytes_(block_bytes),
      block_count_(blocks),
      blocks_(std::make_unique<std::atomic<uint32_t>[]>(blocks)) {}

uint64_t PartialView::ReadableFrom(uint64_t offset) const {
  if (offset >= size_) return 0;
  uint64_t end = offset;
  for (uint64_t block = offset / block_bytes_; block < block_count_; ++block) {
    const uint32_t here = blocks_[block].load(std::memory_order_acquire) & ~kValid;
    end = std::max(end, block * block_bytes_ + here);
    if (here < block_bytes_) break;
  }
  return end - offset;
}

absl::StatusOr<size_t> PartialView::Read(uint64_t offset, absl::Span<char> to) const {
  const size_t bytes = static_cast<size_t>(std::min<uint64_t>(to.size(), ReadableFrom(offset)));
  for (size_t done = 0; done < bytes;) {
    const ssize_t got = TEMP_FAILURE_RETRY(
        pread(file_.get(), to.data() + done, bytes - done, static_cast<off_t>(offset + done)));
    if (got < 0) return net::ErrnoToStatus(errno, "read a part-filled object");
    if (got == 0) return absl::DataLossError("a part-filled object has been cut");
    done += static_cast<size_t>(got);
  }
  return bytes;
}

}  // namespace objmapper::origin
