// Connecting as a client. One deadline covers all addresses of a host; each failure is worded for a
// client that looks for its server.
#include "net/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "net/deadline_list.h"
#include "net/errno_status.h"
#include "net/socket_name.h"
#include "net/socket_option.h"

namespace objmapper::net {
namespace {

absl::Status SetSendTimeout(int socket, absl::Duration timeout) {
  const timeval value = absl::ToTimeval(timeout);
  if (setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof(value)) != 0) {
    return ErrnoToStatus(errno, "setsockopt SO_SNDTIMEO");
  }
  return absl::OkStatus();
}

// What connect()'s errno means to a client that looks for a server.
absl::Status ConnectError(int error, absl::string_view url) {
  switch (error) {
    case EAGAIN:       // AF_UNIX: the listener's backlog stayed full
    case EINPROGRESS:  // TCP, first call (socket(7))
    case EALREADY:     // TCP, after EINTR
      return absl::DeadlineExceededError(
          absl::StrCat("connect to ", url, ": the server did not accept in time"));
    case ENOENT:
      return absl::UnavailableError(
          absl::StrCat("connect to ", url, ": no such socket; is the server running?"));
    case ECONNREFUSED:  // AF_UNIX: also a path that is no socket
      return absl::UnavailableError(
          absl::StrCat("connect to ", url, ": there is no listener (ECONNREFUSED)"));
    default:
      return ErrnoToStatus(error, absl::StrCat("connect to ", url));
  }
}

// SO_SNDTIMEO bounds a blocking connect() on both families (socket(7)). A non-blocking one would
// not do for AF_UNIX: with a full backlog it fails at once instead of being in progress.
absl::StatusOr<UniqueFd> Connect(const sockaddr* address, socklen_t size, absl::string_view url,
                                 absl::Duration timeout) {
  UniqueFd socket(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return ErrnoToStatus(errno, absl::StrCat("socket for ", url));
  // A timeout as long as the clock can count is for ever.
  const int64_t began_ns = NowNs();
  const int64_t timeout_ns =
      std::clamp<int64_t>(absl::ToInt64Nanoseconds(timeout), 0, kNever - began_ns);
  while (true) {
    // A signal does not begin the time anew. Where it is up when we get to run again, because we
    // were stopped, it is tried once more: there may be room by now. A zero timeval would mean
    // "forever".
    const int64_t left_ns = began_ns + timeout_ns - NowNs();
    const absl::Duration left = absl::Nanoseconds(std::max<int64_t>(left_ns, 1'000'000));
    if (absl::Status status = SetSendTimeout(socket.get(), left); !status.ok()) return status;
    if (connect(socket.get(), address, size) == 0 || errno == EISCONN) break;
    // On Linux a connect() that a signal interrupted may be called again: it waits for the same
    // attempt.
    if (errno == EINTR && left_ns > 0) continue;
    return ConnectError(errno == EINTR ? EAGAIN : errno, url);
  }
  if (absl::Status status = SetSendTimeout(socket.get(), absl::ZeroDuration()); !status.ok()) {
    return status;
  }
  return socket;
}

absl::StatusOr<UniqueFd> DialUnix(const Address& address, absl::Duration timeout) {
  const absl::StatusOr<UnixName> name = UnixNameOf(address);
  if (!name.ok()) return name.status();
  return Connect(name->get(), name->length, address.ToUrl(), timeout);
}

absl::StatusOr<UniqueFd> DialTcp(const Address& address, absl::Duration timeout) {
  const std::string url = address.ToUrl();
  if (address.host.empty() || address.port == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("connect to ", url, ": a connection needs a host and a port other than 0"));
  }
  const absl::StatusOr<AddressList> list = Resolve(
      address, SOCK_STREAM, 0, absl::StrCat("connect to ", url, ": look up ", address.host));
  if (!list.ok()) return list.status();
  absl::Status status = absl::UnavailableError(absl::StrCat("connect to ", url, ": no address"));
  for (const addrinfo* entry = list->get(); entry != nullptr; entry = entry->ai_next) {
    absl::StatusOr<UniqueFd> socket = Connect(entry->ai_addr, entry->ai_addrlen, url, timeout);
    if (!socket.ok()) {
      status = socket.status();
      continue;
    }
    if (!SetOption(socket->get(), IPPROTO_TCP, TCP_NODELAY, 1)) {
      return ErrnoToStatus(errno, absl::StrCat("setsockopt TCP_NODELAY for ", url));
    }
    return socket;
  }
  return status;
}

}  // namespace

absl::StatusOr<UniqueFd> Dial(const Address& address, absl::Duration timeout) {
  return address.kind == Address::Kind::kUnix ? DialUnix(address, timeout)
                                              : DialTcp(address, timeout);
}

}  // namespace objmapper::net
