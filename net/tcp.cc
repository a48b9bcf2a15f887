// TCP_NODELAY, and the congestion control of connections whose two ends are on this machine.
#include "net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "net/socket_option.h"
#include "net/unique_fd.h"

namespace objmapper::net {
namespace {

int Set(int socket, const std::string& name) {
  return setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(),
                    static_cast<socklen_t>(name.size()));
}

// Empty: it has none.
std::string Get(int socket) {
  char name[16] = {};  // TCP_CA_NAME_MAX
  socklen_t bytes = sizeof(name);
  return getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name, &bytes) == 0 ? name : "";
}

// An address without its port.
std::string HostOf(const sockaddr_storage& name) {
  if (name.ss_family == AF_INET) {
    const in_addr& host = reinterpret_cast<const sockaddr_in&>(name).sin_addr;
    return std::string(reinterpret_cast<const char*>(&host), sizeof(host));
  }
  const in6_addr& host = reinterpret_cast<const sockaddr_in6&>(name).sin6_addr;
  return std::string(reinterpret_cast<const char*>(&host), sizeof(host));
}

// Both ends have the same address, or different ones of 127.0.0.0/8.
bool PeerIsLocal(int socket) {
  sockaddr_storage ours{}, theirs{};
  socklen_t ours_bytes = sizeof(ours), theirs_bytes = sizeof(theirs);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&ours), &ours_bytes) != 0 ||
      getpeername(socket, reinterpret_cast<sockaddr*>(&theirs), &theirs_bytes) != 0) {
    return false;
  }
  if (theirs.ss_family == AF_INET && HostOf(theirs)[0] == 127) return true;
  return ours.ss_family == theirs.ss_family && HostOf(ours) == HostOf(theirs);
}

}  // namespace

CongestionControl::CongestionControl(const std::string& local) : local_(local) {
  const UniqueFd probe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const std::string systems = Get(probe.get());
  if (!local.empty() && local != systems) remote_ = systems;
}

absl::Status CongestionControl::Check(const std::string& name) {
  const UniqueFd probe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  // Where there is no TCP, nothing will ask for it.
  if (!probe.valid() || Set(probe.get(), name) == 0) return absl::OkStatus();
  const int error = errno;
  // What everybody may choose; who has CAP_NET_ADMIN may choose more.
  std::ifstream file("/proc/sys/net/ipv4/tcp_allowed_congestion_control");
  std::string allowed;
  std::getline(file, allowed);
  return absl::InvalidArgumentError(
      absl::StrCat(strerror(error), "; there is ", allowed.empty() ? "reno" : allowed));
}

void CongestionControl::PrepareListener(int listener) const {
  if (!remote_.empty()) Set(listener, local_);
}

void CongestionControl::Prepare(int socket) const {
  if (!remote_.empty() && !PeerIsLocal(socket)) Set(socket, remote_);
}

bool Paces(int socket) { return Get(socket).compare(0, 3, "bbr") == 0; }

void SendAtOnce(int socket) { SetOption(socket, IPPROTO_TCP, TCP_NODELAY, 1); }

}  // namespace objmapper::net
