// Who is at the other end of a Unix socket, as the kernel knows it (unix(7): SO_PEERCRED, SO_PEERGROUPS).
//
// It is who called connect(2) (or socketpair(2)), then: a process that passes the socket on, or changes its
// uid, is still known by what it was.
#pragma once

#include <sys/types.h>

#include <vector>

namespace objmapper::net {

struct PeerCredentials {
  pid_t pid = 0;  // 0: not known
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);

  bool known() const { return uid != static_cast<uid_t>(-1); }
};

// All unknown when `fd` is no Unix socket.
PeerCredentials PeerCredentialsOf(int fd);

// The supplementary groups; empty when there are none, or `fd` is no Unix socket.
std::vector<gid_t> PeerGroupsOf(int fd);

}  // namespace objmapper::net
