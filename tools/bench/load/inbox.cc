#include "tools/bench/load/inbox.h"

#include <errno.h>
#include <glog/logging.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "net/scm_rights.h"
#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {
namespace {

constexpr size_t kReceiveBytesMax = 1 << 20;
constexpr size_t kPageBytes = 4096;
// What is received begins 64 bytes into a page, whatever was carried over, and so the body behind a
// head begins a little later. Some processors (Zen) copy from a page of the page cache to between 1
// and 15 bytes into another page at a sixth of the speed (rep movsb; glibc's bug 30994), and where
// a heap happened to put the buffer decided who met that.
constexpr size_t kBeforeBytes = (kHeadBytesMax + kPageBytes - 1) / kPageBytes * kPageBytes + 64;
// A whole number of pages, which aligned_alloc(3) wants.
constexpr size_t kBufferBytes =
    (kBeforeBytes + kReceiveBytesMax + kPageBytes - 1) / kPageBytes * kPageBytes;

// So many are kept open at most, besides those of one message.
constexpr size_t kKeptMax = 64;

}  // namespace

Inbox::Inbox() : buffer_(static_cast<char*>(aligned_alloc(kPageBytes, kBufferBytes)), &free) {
  CHECK(buffer_ != nullptr);
  memset(buffer_.get(), 0, kBufferBytes);  // pages exist already
}

ssize_t Inbox::Receive(int socket, absl::string_view carry, bool descriptors) {
  char* const at = buffer_.get() + kBeforeBytes;
  char* const begin = at - carry.size();
  memcpy(begin, carry.data(), carry.size());
  fds_ = 0;
  const ssize_t received =
      descriptors ? ReceiveWithFds(socket, at) : recv(socket, at, kReceiveBytesMax, 0);
  bytes_ =
      absl::string_view(begin, carry.size() + static_cast<size_t>(std::max<ssize_t>(received, 0)));
  return received;
}

ssize_t Inbox::ReceiveWithFds(int socket, char* at) {
  bool lost = false;
  const ssize_t received =
      net::RecvAllFds(socket, absl::MakeSpan(at, kReceiveBytesMax), 0, &arrived_, &lost);
  fds_ = static_cast<int>(arrived_.size());
  for (net::UniqueFd& fd : arrived_) kept_.push_back(fd.Release());
  arrived_.clear();
  if (kept_.size() >= kKeptMax) CloseReceived();
  if (!lost) return received;
  errno = EOVERFLOW;
  return -1;
}

// The kernel hands out the lowest free numbers, so they mostly follow each other, and one
// close_range(2) does for many.
void Inbox::CloseReceived() {
  std::sort(kept_.begin(), kept_.end());
  for (size_t begin = 0, end; begin < kept_.size(); begin = end) {
    end = begin + 1;
    while (end < kept_.size() && kept_[end] == kept_[end - 1] + 1) ++end;
#ifndef __SANITIZE_THREAD__  // which does not know close_range(2), and would take these for open
                             // still
    if (end - begin > 1 && close_range(kept_[begin], kept_[end - 1], 0) == 0) continue;
#endif
    for (size_t i = begin; i < end; ++i) close(kept_[i]);
  }
  kept_.clear();
}

}  // namespace objmapper::bench
