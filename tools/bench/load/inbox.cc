#include "tools/bench/load/inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include <glog/logging.h>

#include "net/scm_rights.h"
#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {
namespace {

constexpr size_t kReceiveBytesMax = 1 << 20;
constexpr size_t kPageBytes = 4096;
// What is received begins 64 bytes into a page, whatever was carried over, and so the body behind a head begins a little later. Some
// processors (Zen) copy from a page of the page cache to between 1 and 15 bytes into another page at a sixth of the speed
// (rep movsb; glibc's bug 30994), and where a heap happened to put the buffer decided who met that.
constexpr size_t kBeforeBytes = (kHeadBytesMax + kPageBytes - 1) / kPageBytes * kPageBytes + 64;
constexpr size_t kControlBytes = CMSG_SPACE(net::kFdsPerMessageMax * sizeof(int));

// The kernel hands out the lowest free numbers, so those of one message mostly follow each other
// and one close_range(2) does for all.
void CloseAll(const int* fds, int count) {
#ifndef __SANITIZE_THREAD__  // which does not know close_range(2), and would take these for open still
  if (count > 1 && fds[count - 1] - fds[0] == count - 1) {
    bool consecutive = true;
    for (int i = 1; i < count; ++i) consecutive &= fds[i] == fds[0] + i;
    if (consecutive && close_range(fds[0], fds[count - 1], 0) == 0) return;
  }
#endif
  for (int i = 0; i < count; ++i) close(fds[i]);
}

}  // namespace

Inbox::Inbox()
    : buffer_(static_cast<char*>(aligned_alloc(kPageBytes, kBeforeBytes + kReceiveBytesMax)), &free) {
  CHECK(buffer_ != nullptr);
  memset(buffer_.get(), 0, kBeforeBytes + kReceiveBytesMax);  // pages exist already
}

ssize_t Inbox::Receive(int socket, absl::string_view carry, bool descriptors) {
  char* const at = buffer_.get() + kBeforeBytes;
  char* const begin = at - carry.size();
  memcpy(begin, carry.data(), carry.size());
  fds_ = 0;
  const ssize_t received =
      descriptors ? ReceiveWithFds(socket, at) : recv(socket, at, kReceiveBytesMax, 0);
  bytes_ = absl::string_view(begin, carry.size() + static_cast<size_t>(std::max<ssize_t>(received, 0)));
  return received;
}

ssize_t Inbox::ReceiveWithFds(int socket, char* at) {
  alignas(cmsghdr) char control[kControlBytes];
  iovec vector = {at, kReceiveBytesMax};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (received < 0) return received;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    int fds[net::kFdsPerMessageMax];
    const int count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(part), count * sizeof(int));
    CloseAll(fds, count);
    fds_ += count;
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    errno = EOVERFLOW;
    return -1;
  }
  return received;
}

}  // namespace objmapper::bench
