// Who is at the other end of a Unix socket, as the kernel knows it (unix(7): SO_PEERCRED,
// SO_PEERGROUPS).
//
// It is who called connect(2) (or socketpair(2)), then: a process that passes the socket on, or
// changes its uid, is still known by what it was.
//
// In a user namespace the kernel tells every id that the namespace does not map as one and the
// same, the overflow id (65534, whose name is "nobody" or "nogroup"; user_namespaces(7)): that one
// is nobody in particular, whoever has it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace objmapper::net {

struct PeerCredentials {
  pid_t pid = 0;  // 0: not known
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);

  bool known() const { return uid != static_cast<uid_t>(-1); }
  // Whether the peer is this user, or has this group as its own: not so of an id that may be
  // anybody's (IdNames).
  bool IsUser(uid_t user) const;
  bool IsGroup(gid_t group) const;
};

// Which of the numbers that the kernel tells as ids name somebody.
class IdNames {
 public:
  // map: as in /proc/PID/uid_map, of this process's namespace. overflow: as in
  // /proc/sys/kernel/overflowuid. What cannot be understood maps nothing.
  IdNames(absl::string_view map, absl::string_view overflow);

  // Read once, at the first call; then the same for the process's life, which does not change its
  // namespace.
  static const IdNames& Users();
  static const IdNames& Groups();

  // False of the one number that may stand for any id without a place in the map.
  bool Tells(uint32_t id) const { return whole_ || id != overflow_; }

 private:
  bool whole_ = false;  // every id is mapped: none has to stand for others
  uint32_t overflow_ = 65534;
};

// Why `id`, which an operator has named as a user (else as a group), will match nobody; empty: it
// will. A sentence.
std::string IdDoubt(bool user, uint32_t id);

// All unknown when `fd` is no Unix socket.
PeerCredentials PeerCredentialsOf(int fd);

// The supplementary groups, without those that name nobody (IdNames); empty when there are none, or
// `fd` is no Unix socket.
std::vector<gid_t> PeerGroupsOf(int fd);

}  // namespace objmapper::net
