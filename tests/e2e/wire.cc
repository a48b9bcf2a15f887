// Reading and writing whole messages on a socket, with a deadline.
#include "tests/e2e/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace objmapper::e2e {
namespace {

constexpr size_t kFdsPerMessageMax = 253;  // include/net/scm.h: SCM_MAX_FD
constexpr size_t kGrowBytes = 1024 * 1024;

net::UniqueFd Connect(int family, const sockaddr* address, socklen_t length,
                      int receive_bytes = 0) {
  net::UniqueFd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // Bounds connect(2) and send(2); reads are bounded by poll(2).
  const timeval patience{kPatience.count(), 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (family != AF_UNIX) {
    const int on = 1;
    setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  if (receive_bytes > 0) {
    EXPECT_EQ(
        setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes)), 0);
  }
  int error = connect(socket.get(), address, length) == 0 ? 0 : errno;
  if (error == EINTR) {
    // With SO_SNDTIMEO a signal ends the wait (signal(7)), not the attempt, which goes on
    // (connect(2), EINTR).
    pollfd done{socket.get(), POLLOUT, 0};
    while (poll(&done, 1, static_cast<int>(kPatience.count()) * 1000) < 0 && errno == EINTR) {
    }
    socklen_t size = sizeof(error);
    EXPECT_EQ(getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size), 0);
  }
  if (error != 0) {
    ADD_FAILURE() << "connect: " << strerror(error);
    socket.Reset();
  }
  return socket;
}

}  // namespace

Wire Wire::ToUnix(absl::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t bytes = std::min(path.size(), sizeof(address.sun_path) - 1);
  memcpy(address.sun_path, path.data(), bytes);
  // unix(7): an abstract name starts with a zero byte and ends where the length says.
  if (path[0] == '@') address.sun_path[0] = '\0';
  const socklen_t length = offsetof(sockaddr_un, sun_path) + bytes + (path[0] == '@' ? 0 : 1);
  return Wire(Connect(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), length));
}

Wire Wire::ToTcp(uint16_t port, int receive_bytes) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return Wire(Connect(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof(address),
                      receive_bytes));
}

Wire Wire::ToTcp6(uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = in6addr_loopback;
  return Wire(Connect(AF_INET6, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}

bool Wire::Send(absl::string_view bytes, absl::Span<const int> fds) {
  while (!bytes.empty()) {
    iovec iov{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kFdsPerMessageMax)];
    if (!fds.empty()) {
      message.msg_control = control;
      message.msg_controllen = CMSG_SPACE(sizeof(int) * fds.size());
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int) * fds.size());
      memcpy(CMSG_DATA(header), fds.data(), sizeof(int) * fds.size());
    }
    const ssize_t sent = sendmsg(fd(), &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) {
      if (errno == EAGAIN) ADD_FAILURE() << "the server does not read: send timed out";
      return false;
    }
    bytes.remove_prefix(sent);
    fds = {};
  }
  return true;
}

void Wire::SendByteByByte(absl::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    Send(bytes.substr(i, 1));
    absl::SleepFor(absl::Milliseconds(1));  // lets the server wake up for this byte alone
  }
}

void Wire::HalfClose() { shutdown(fd(), SHUT_WR); }

void Wire::Reset() {
  const linger throw_away{1, 0};
  setsockopt(fd(), SOL_SOCKET, SO_LINGER, &throw_away, sizeof(throw_away));
  socket_.Reset();
}

bool Wire::WaitReadable() {
  const absl::Time deadline = absl::Now() + absl::FromChrono(kPatience);
  while (true) {
    pollfd watched{fd(), POLLIN, 0};
    const absl::Duration left = deadline - absl::Now();
    const int ready = poll(&watched, 1, std::max<int64_t>(0, absl::ToInt64Milliseconds(left)));
    if (ready > 0) return true;
    if (ready < 0 && errno == EINTR) continue;
    ADD_FAILURE() << "nothing came from the server for " << kPatience.count() << " s";
    return false;
  }
}

Wire::Got Wire::ReadInto(size_t bytes, std::string* out) {
  size_t at = out->size();
  const size_t end = at + bytes;
  out->reserve(end);
  Got got = Got::kAll;
  while (at < end) {
    if (fd() < 0) {
      got = Got::kEnd;
      break;
    }
    if (!WaitReadable()) {
      got = Got::kTimeout;
      break;
    }
    // Grown as it is filled: who clears tens of megabytes first, on a busy machine with a
    // sanitizer, does not read for so long that a server with a short time-out gives up.
    if (at == out->size()) out->resize(std::min(end, at + kGrowBytes));
    iovec iov{out->data() + at, out->size() - at};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kFdsPerMessageMax)];
    msghdr message{};
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const ssize_t count = recvmsg(fd(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count <= 0) {
      got = Got::kEnd;
      break;
    }
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
      if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
      const size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < n; ++i) {
        int received;
        memcpy(&received, CMSG_DATA(header) + i * sizeof(int), sizeof(received));
        fds_.emplace_back(received);
      }
    }
    if ((message.msg_flags & MSG_CTRUNC) != 0) ADD_FAILURE() << "descriptors were lost";
    at += count;
  }
  out->resize(at);
  return got;
}

std::string Wire::Read(size_t bytes) {
  std::string out;
  if (ReadInto(bytes, &out) == Got::kEnd) {
    ADD_FAILURE() << "the connection ended after " << out.size() << " of " << bytes << " bytes";
  }
  return out;
}

std::string Wire::PlainRead(size_t bytes) {
  std::string out(bytes, '\0');
  size_t at = 0;
  while (at < bytes && WaitReadable()) {
    const ssize_t count = read(fd(), out.data() + at, bytes - at);
    if (count <= 0) {
      ADD_FAILURE() << "the connection ended after " << at << " of " << bytes << " bytes";
      break;
    }
    at += count;
  }
  out.resize(at);
  return out;
}

bool Wire::AtEnd() {
  std::string extra;
  const Got got = ReadInto(1, &extra);
  if (got == Got::kAll) ADD_FAILURE() << "a byte more came instead of the end: " << +extra[0];
  return got == Got::kEnd;
}

std::string Wire::ReadToEnd() {
  std::string out;
  while (ReadInto(65536, &out) == Got::kAll) {
  }
  return out;
}

net::UniqueFd Wire::TakeFd() {
  if (fds_.empty()) return net::UniqueFd();
  net::UniqueFd first = std::move(fds_.front());
  fds_.pop_front();
  return first;
}

}  // namespace objmapper::e2e
