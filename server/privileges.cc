// setresgid(2), setgroups(2), setresuid(2), and a check that root's rights cannot be regained.
#include "server/privileges.h"

#include <errno.h>
#include <grp.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "net/errno_status.h"

namespace objmapper::server {

absl::Status BecomeForGood(const Identity& identity) {
  const std::string what = absl::StrCat("become uid ", identity.uid, ", gid ", identity.gid);
  if (geteuid() == identity.uid && getegid() == identity.gid && geteuid() != 0) {
    // Nothing to give up but groups, which only a privileged process may: who started us has chosen
    // them.
    return absl::OkStatus();
  }
  const int groups = identity.name.empty() ? setgroups(0, nullptr)
                                           : initgroups(identity.name.c_str(), identity.gid);
  // glibc does it in all threads (nptl(7)).
  if (groups != 0 || setresgid(identity.gid, identity.gid, identity.gid) != 0 ||
      setresuid(identity.uid, identity.uid, identity.uid) != 0) {
    return net::ErrnoToStatus(errno, absl::StrCat("--user: ", what));
  }
  if (identity.uid != 0 && (setuid(0) == 0 || seteuid(0) == 0)) {
    return absl::InternalError(absl::StrCat("--user: ", what, ": root's rights could be regained"));
  }
  return absl::OkStatus();
}

}  // namespace objmapper::server
