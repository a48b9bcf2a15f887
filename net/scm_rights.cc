// SCM_RIGHTS messages. Every descriptor that the kernel has installed is owned before anything can
// return.
#include "net/scm_rights.h"

#include <errno.h>
#include <glog/logging.h>
#include <string.h>
#include <sys/socket.h>

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

}  // namespace

void OwnFds(void* control, size_t bytes, std::vector<UniqueFd>* fds) {
  msghdr message{};
  message.msg_control = control;
  message.msg_controllen = bytes;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
      fds->push_back(UniqueFd(fd));
    }
  }
}

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
  ssize_t sent;
  do {
    sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent;
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
  int sent;
  do {
    // The kernel stops after a message that went out in part (net/socket.c, __sys_sendmmsg).
    sent = sendmmsg(socket, messages, 2, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent <= 0) return 0;
  *bytes_sent = messages[0].msg_len;
  return sent;
}

absl::StatusOr<Received> RecvWithFds(int socket, absl::Span<char> buffer, size_t fds_max,
                                     std::vector<UniqueFd>* fds, int flags, bool* interrupted) {
  DCHECK_LE(fds_max, kFdsPerMessageMax);
  iovec iov{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kFdsPerMessageMax)];
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  if (fds_max > 0) {
    message.msg_control = control;
    // Not CMSG_SPACE(), whose padding has room for one more where fds_max is odd.
    message.msg_controllen = CMSG_LEN(sizeof(int) * fds_max);
  }
  ssize_t got;
  do {
    got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
  } while (got < 0 && errno == EINTR && interrupted == nullptr);
  if (interrupted != nullptr) *interrupted = got < 0 && errno == EINTR;
  if (got < 0) return ErrnoToStatus(errno == EINTR ? EAGAIN : errno, "recvmsg");

  // Own first, judge second: the kernel has already installed these in our table.
  size_t count = fds->size();
  OwnFds(message.msg_control, message.msg_controllen, fds);
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
  iovec iov{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  // No control buffer: scm_detach_fds() in the kernel then drops the descriptors and sets
  // MSG_CTRUNC, which no other ancillary message can cause here (none is enabled).
  ssize_t got;
  do {
    got = recvmsg(socket, &message, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  *fds_refused = got >= 0 && (message.msg_flags & MSG_CTRUNC) != 0;
  return got;
}

ssize_t RecvBeforeFds(int socket, absl::Span<char> buffer, size_t* with_fds) {
  *with_fds = 0;
  iovec iov{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  ssize_t got;
  do {
    // A look takes references of its own, and gives them back: never the last.
    got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_PEEK);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return got;
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    *with_fds = static_cast<size_t>(got);
    errno = EBADMSG;
    return -1;
  }
  const size_t bytes = static_cast<size_t>(got);
  do {
    got = recv(socket, buffer.data(), bytes, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  return got;
}

ssize_t RecvAllFds(int socket, absl::Span<char> buffer, int flags, std::vector<UniqueFd>* fds,
                   bool* fds_lost) {
  iovec iov{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kFdsPerMessageMax)];
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t got;
  do {
    got = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  *fds_lost = false;
  if (got < 0) return got;
  OwnFds(control, message.msg_controllen, fds);
  *fds_lost = (message.msg_flags & MSG_CTRUNC) != 0;
  return got;
}

ssize_t RecvTakingFds(int socket, absl::Span<char> buffer, std::vector<UniqueFd>* fds,
                      bool* fds_lost) {
  iovec iov{buffer.data(), buffer.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kFdsTakenMax)];
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t got;
  do {
    got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  *fds_lost = false;
  if (got < 0) return got;
  OwnFds(control, message.msg_controllen, fds);
  *fds_lost = (message.msg_flags & MSG_CTRUNC) != 0;
  return got;
}

}  // namespace objmapper::net
