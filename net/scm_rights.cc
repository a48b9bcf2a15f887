// SCM_RIGHTS messages. Every descriptor that the kernel has installed is owned before anything can
// return.
#include "net/scm_rights.h"

#include <errno.h>
#include <glog/logging.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/errno_status.h"

namespace objmapper::net {
namespace {

// Writes the SCM_RIGHTS header; message->msg_control has room for it.
void WriteRights(absl::Span<const int> fds, msghdr* message) {
  message->msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
  cmsghdr* header = CMSG_FIRSTHDR(message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
  memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
}

// Appends the descriptors that came with `message` to `fds`, before anything else can fail: the
// kernel has installed them in our table already.
void OwnFds(msghdr* message, std::vector<UniqueFd>* fds) {
  for (cmsghdr* header = CMSG_FIRSTHDR(message); header != nullptr;
       header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
      fds->push_back(UniqueFd(fd));
    }
  }
}

// One recvmsg(2) into `buffer`, with what room for descriptors `message` has already. EINTR is
// retried, unless `interrupted` is there: then it is true when a signal came.
ssize_t Receive(int socket, absl::Span<char> buffer, int flags, msghdr* message,
                bool* interrupted = nullptr) {
  iovec iov{buffer.data(), buffer.size()};
  message->msg_iov = &iov;
  message->msg_iovlen = 1;
  ssize_t got;
  do {
    got = recvmsg(socket, message, flags);
  } while (got < 0 && errno == EINTR && interrupted == nullptr);
  message->msg_iov = nullptr;  // `iov` ends here
  if (interrupted != nullptr) *interrupted = got < 0 && errno == EINTR;
  return got;
}

}  // namespace

void AttachFds(absl::Span<const int> fds, std::vector<char>* control, msghdr* message) {
  DCHECK(!fds.empty() && fds.size() <= kFdsPerMessageMax);
  // operator new aligns to 16 bytes, which is more than cmsg(3) asks.
  control->resize(CMSG_SPACE(sizeof(int) * fds.size()));
  message->msg_control = control->data();
  WriteRights(fds, message);
}

ssize_t SendWithFds(int socket, absl::string_view bytes, absl::Span<const int> fds) {
  DCHECK(!bytes.empty());
  DCHECK_LE(fds.size(), kFdsPerMessageMax);
  iovec iov{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  // Aligned as cmsg(3) asks. Not cleared: only the used part is read by the kernel.
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kFdsPerMessageMax)];
  if (!fds.empty()) {
    message.msg_control = control;
    WriteRights(fds, &message);
  }
  return TEMP_FAILURE_RETRY(sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

int SendThenX(int socket, absl::string_view bytes, int fd, size_t* bytes_sent) {
  char x = 'X';
  iovec iov[2] = {{const_cast<char*>(bytes.data()), bytes.size()}, {&x, 1}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  mmsghdr messages[2] = {};
  messages[0].msg_hdr.msg_iov = &iov[0];
  messages[0].msg_hdr.msg_iovlen = 1;
  messages[1].msg_hdr.msg_iov = &iov[1];
  messages[1].msg_hdr.msg_iovlen = 1;
  messages[1].msg_hdr.msg_control = control;
  WriteRights(absl::Span<const int>(&fd, 1), &messages[1].msg_hdr);
  // The kernel stops after a message that went out in part (net/socket.c, __sys_sendmmsg).
  const long sent = TEMP_FAILURE_RETRY(sendmmsg(socket, messages, 2, MSG_DONTWAIT | MSG_NOSIGNAL));
  if (sent <= 0) return 0;
  *bytes_sent = messages[0].msg_len;
  return static_cast<int>(sent);
}

absl::StatusOr<Received> RecvWithFds(int socket, absl::Span<char> buffer, size_t fds_max,
                                     std::vector<UniqueFd>* fds, int flags, bool* interrupted) {
  DCHECK_LE(fds_max, kFdsPerMessageMax);
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kFdsPerMessageMax)];
  msghdr message{};
  if (fds_max > 0) {
    message.msg_control = control;
    // Not CMSG_SPACE(), whose padding has room for one more where fds_max is odd.
    message.msg_controllen = CMSG_LEN(sizeof(int) * fds_max);
  }
  const ssize_t got = Receive(socket, buffer, flags | MSG_CMSG_CLOEXEC, &message, interrupted);
  if (got < 0) return ErrnoToStatus(errno == EINTR ? EAGAIN : errno, "recvmsg");

  // Own first, judge second: the kernel has already installed these in our table.
  size_t count = fds->size();
  OwnFds(&message, fds);
  count = fds->size() - count;
  DCHECK_LE(count, fds_max);
  Received received;
  received.bytes = static_cast<size_t>(got);
  received.fds_lost = (message.msg_flags & MSG_CTRUNC) != 0;
  // Where our table is full, fewer come than there is room for in the control buffer.
  received.fds_surplus = received.fds_lost && count == fds_max;
  return received;
}

ssize_t RecvRefusingFds(int socket, absl::Span<char> buffer, bool* fds_refused) {
  // No control buffer: scm_detach_fds() in the kernel then drops the descriptors and sets
  // MSG_CTRUNC, which no other ancillary message can cause here (none is enabled).
  msghdr message{};
  const ssize_t got = Receive(socket, buffer, MSG_DONTWAIT, &message);
  *fds_refused = got >= 0 && (message.msg_flags & MSG_CTRUNC) != 0;
  return got;
}

ssize_t RecvBeforeFds(int socket, absl::Span<char> buffer, size_t* with_fds) {
  *with_fds = 0;
  msghdr message{};
  // A look takes references of its own, and gives them back: never the last.
  const ssize_t got = Receive(socket, buffer, MSG_DONTWAIT | MSG_PEEK, &message);
  if (got <= 0) return got;
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    *with_fds = static_cast<size_t>(got);
    errno = EBADMSG;
    return -1;
  }
  return TEMP_FAILURE_RETRY(recv(socket, buffer.data(), static_cast<size_t>(got), MSG_DONTWAIT));
}

ssize_t RecvAllFds(int socket, absl::Span<char> buffer, int flags, std::vector<UniqueFd>* fds,
                   bool* fds_lost) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kFdsPerMessageMax)];
  msghdr message{};
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t got = Receive(socket, buffer, flags | MSG_CMSG_CLOEXEC, &message);
  *fds_lost = got >= 0 && (message.msg_flags & MSG_CTRUNC) != 0;
  if (got >= 0) OwnFds(&message, fds);
  return got;
}

}  // namespace objmapper::net
