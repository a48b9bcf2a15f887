// socket(2), bind(2), listen(2) for Unix sockets and TCP. A socket file is replaced only under the
// listen lock and only if no process listens on it; it has its mode and owner before the first
// connect(2) can succeed.
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "net/foreign_fd.h"
#include "net/listen_lock.h"
#include "net/pass_rights.h"
#include "net/socket_name.h"
#include "net/socket_option.h"

namespace objmapper::net {
namespace {

// Connections that wait for accept(2); the kernel lowers it to net.core.somaxconn (listen(2)).
constexpr int kBacklog = 4096;

bool IsAbstract(const Address& address) {
  return address.kind == Address::Kind::kUnix && !address.path.empty() && address.path[0] == '@';
}

absl::Status AlreadyRunning(absl::string_view what) {
  return absl::AlreadyExistsError(absl::StrCat(what, ": a server is running there already"));
}

// The same, with who made the file: in /tmp anybody can have been there first.
absl::Status AlreadyRunning(absl::string_view what, const struct stat& file) {
  return absl::AlreadyExistsError(absl::StrCat(
      what, ": a server is running there already; the socket file belongs to uid ", file.st_uid));
}

// Makes way for a socket file: removes one that nobody listens on. Called under the lock.
absl::Status RemoveStale(const UnixName& name, const std::string& path, absl::string_view what) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? absl::OkStatus() : net::ErrnoToStatus(errno, what);
  }
  if (!S_ISSOCK(status.st_mode)) {
    return absl::AlreadyExistsError(absl::StrCat(
        what, ": the file exists and is not a socket; it belongs to uid ", status.st_uid));
  }
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return net::ErrnoToStatus(errno, what);
  if (connect(probe.get(), name.get(), name.length) == 0) return AlreadyRunning(what, status);
  switch (const int error = errno; error) {
    case ECONNREFUSED:
      break;
    case ENOENT:
      return absl::OkStatus();
    case EAGAIN:      // somebody listens, and is too busy to accept
    case EPROTOTYPE:  // somebody has bound a datagram socket
      return AlreadyRunning(what, status);
    default:
      return net::ErrnoToStatus(error, absl::StrCat(what, ": is a server running there? connect"));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return net::ErrnoToStatus(
        errno, absl::StrCat(what, ": remove the stale socket of uid ", status.st_uid));
  }
  LOG(INFO) << what << ": replaced a socket file without a listener";
  return absl::OkStatus();
}

// Gives the socket file that has just been bound, `ours`, the owner and mode that are asked for;
// whatever somebody else has put in its place is left alone.
absl::Status Dress(const std::string& path, const struct stat& ours, const SocketFile& file,
                   absl::string_view what) {
  if (!file.mode.has_value() && !file.owner.has_value() && !file.group.has_value())
    return absl::OkStatus();
  const UniqueFd fd(open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status;
  if (!fd.valid() || fstat(fd.get(), &status) != 0) return net::ErrnoToStatus(errno, what);
  if (status.st_dev != ours.st_dev || status.st_ino != ours.st_ino) {
    return absl::AbortedError(absl::StrCat(what, ": the socket file has been replaced"));
  }
  // The owner first: chown(2) may take mode bits away.
  if ((file.owner.has_value() || file.group.has_value()) &&
      fchownat(fd.get(), "", file.owner.value_or(static_cast<uid_t>(-1)),
               file.group.value_or(static_cast<gid_t>(-1)), AT_EMPTY_PATH) != 0) {
    return net::ErrnoToStatus(errno,
                              absl::StrCat(what, ": give the socket file its owner and group"));
  }
  // fchmod(2) refuses descriptors of O_PATH.
  if (file.mode.has_value() &&
      chmod(absl::StrCat("/proc/self/fd/", fd.get()).c_str(), *file.mode) != 0) {
    return net::ErrnoToStatus(errno, absl::StrCat(what, ": give the socket file its mode"));
  }
  return absl::OkStatus();
}

// A socket bound to `info` that listens, or -1 with errno.
UniqueFd ListenOn(const addrinfo& info) {
  UniqueFd fd(socket(info.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return fd;
  const bool ok =
      // A port whose last connections are in TIME_WAIT is free (socket(7)).
      SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1) &&
      (info.ai_family != AF_INET6 || SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1)) &&
      bind(fd.get(), info.ai_addr, info.ai_addrlen) == 0 && listen(fd.get(), kBacklog) == 0;
  if (!ok) fd.Reset();  // keeps errno
  return fd;
}

}  // namespace

absl::StatusOr<Listener> Listener::Open(const Address& address, const SocketFile& file) {
  return address.kind == Address::Kind::kUnix ? OpenUnix(address, file) : OpenTcp(address);
}

absl::StatusOr<Listener> Listener::OpenUnix(const Address& address, const SocketFile& file) {
  const std::string what = absl::StrCat("listen on ", address.ToUrl());
  const absl::StatusOr<UnixName> name = UnixNameOf(address);
  if (!name.ok()) return name.status();
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return net::ErrnoToStatus(errno, what);

  // Held until we listen: to the probe of a second server, a socket that is bound but does not
  // listen yet would look stale.
  std::optional<ListenLock> lock;
  if (!IsAbstract(address)) {
    absl::StatusOr<ListenLock> locked = ListenLock::Take(address.path, what);
    if (!locked.ok()) return locked.status();
    lock.emplace(*std::move(locked));
    if (absl::Status status = RemoveStale(*name, address.path, what); !status.ok()) return status;
  }
  if (bind(fd.get(), name->get(), name->length) != 0) {
    return errno == EADDRINUSE ? AlreadyRunning(what) : net::ErrnoToStatus(errno, what);
  }
  struct stat status {};
  if (!IsAbstract(address) && lstat(address.path.c_str(), &status) != 0) {
    return net::ErrnoToStatus(errno, what);
  }
  // From here on the destructor removes the file.
  Listener listener(std::move(fd), address, status.st_dev, status.st_ino);
  if (!IsAbstract(address)) {
    if (absl::Status dressed = Dress(address.path, status, file, what); !dressed.ok())
      return dressed;
  }
  // Before the first connection, each of which inherits it.
  AllowFds(listener.fd(), false);
  if (listen(listener.fd(), kBacklog) != 0) return net::ErrnoToStatus(errno, what);
  return listener;
}

absl::StatusOr<Listener> Listener::OpenTcp(const Address& address) {
  const std::string what = absl::StrCat("listen on ", address.ToUrl());
  const absl::StatusOr<AddressList> found = Resolve(address, SOCK_STREAM, AI_PASSIVE, what);
  if (!found.ok()) return found.status();
  UniqueFd fd;
  int error = 0;
  // A name may have several addresses ("localhost"), of a family that this machine lacks. One that
  // is in use ends the search: a client that tries them in turn would reach the other server.
  for (const addrinfo* info = found->get(); info != nullptr; info = info->ai_next) {
    fd = ListenOn(*info);
    if (fd.valid()) break;
    error = errno;
    if (error == EADDRINUSE) break;
  }
  if (!fd.valid()) return net::ErrnoToStatus(error, what);
  absl::StatusOr<Address> bound = BoundAddress(fd.get());
  if (!bound.ok()) return bound.status();
  return Listener(std::move(fd), *std::move(bound), 0, 0);
}

absl::StatusOr<Listener> Listener::Adopt(UniqueFd fd, File file) {
  const auto refuse = [](absl::string_view why) { return absl::FailedPreconditionError(why); };
  const auto option = [&fd](int name) { return GetOption(fd.get(), SOL_SOCKET, name); };
  const int family = option(SO_DOMAIN);
  if (family < 0) return refuse("it is not a socket");
  if (option(SO_TYPE) != SOCK_STREAM) return refuse("it is not a stream socket (ListenStream=)");
  if (option(SO_ACCEPTCONN) != 1) return refuse("it does not listen (Accept=no is required)");
  if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
    return refuse("it is neither Unix nor TCP");
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
      fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0) {
    return net::ErrnoToStatus(errno, "fcntl on it");
  }
  if (family != AF_UNIX) {
    absl::StatusOr<Address> bound = BoundAddress(fd.get());
    if (!bound.ok()) return bound.status();
    return Listener(std::move(fd), *std::move(bound), 0, 0);
  }
  sockaddr_un name{};
  socklen_t length = sizeof(name);
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &length) != 0) {
    return net::ErrnoToStatus(errno, "getsockname");
  }
  // What waits to be accepted may hold some already: Session looks at each connection.
  AllowFds(fd.get(), false);
  Address address;
  const size_t bytes = length - offsetof(sockaddr_un, sun_path);
  if (bytes > 0 && name.sun_path[0] == '\0') {
    address.path = absl::StrCat("@", absl::string_view(name.sun_path + 1, bytes - 1));
  } else {
    address.path.assign(name.sun_path, strnlen(name.sun_path, bytes));
  }
  struct stat status {};
  if (!IsAbstract(address) && lstat(address.path.c_str(), &status) != 0) status = {};
  Listener listener(std::move(fd), std::move(address), status.st_dev, status.st_ino);
  listener.file_ = file;
  return listener;
}

Listener::~Listener() {
  if (!fd_.valid() || address_.kind != Address::Kind::kUnix || file_ != File::kOurs) return;
  RemoveFile();
  if (!AllowsFds(fd_.get())) return;
  // What waits to be accepted would be closed with it, and what descriptors it has been sent.
  shutdown(fd_.get(), SHUT_RDWR);
  while (true) {
    UniqueFd waiting(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!waiting.valid()) break;
    DisposeSocket(std::move(waiting));
  }
}

Listener::FileIdentity Listener::file_identity() const {
  if (address_.kind != Address::Kind::kUnix || IsAbstract(address_)) return {};
  return {address_.path, device_, inode_};
}

Listener::PathLeads Listener::FileIdentity::Look() const {
  if (path.empty()) return PathLeads::kHere;
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) {
    // What cannot be looked at may well be there.
    return errno == ENOENT || errno == ENOTDIR ? PathLeads::kNowhere : PathLeads::kHere;
  }
  return status.st_dev == device && status.st_ino == inode ? PathLeads::kHere
                                                           : PathLeads::kElsewhere;
}

void Listener::RemoveFile() {
  if (IsAbstract(address_)) return;
  // Before the socket is closed: as long as it listens, no other server takes the path over, and
  // as it pins its inode (unix_bind() in the kernel keeps the path), no other file can have its
  // number.
  struct stat status;
  if (lstat(address_.path.c_str(), &status) != 0) return;
  if (status.st_dev != device_ || status.st_ino != inode_) return;
  if (unlink(address_.path.c_str()) != 0) PLOG(WARNING) << "remove " << address_.path;
}

}  // namespace objmapper::net
