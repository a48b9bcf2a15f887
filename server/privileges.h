// Giving up root's rights, once what needs them has been had.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"

namespace objmapper::server {

// Whom the process is to become.
struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;  // whose supplementary groups it gets (initgroups(3)); empty: none
};

// Becomes `identity` for good, in all threads: groups, then gid, then uid, real, effective and
// saved. PERMISSION_DENIED: the process is not root and not that user already. INTERNAL: it could
// still go back.
absl::Status BecomeForGood(const Identity& identity);

}  // namespace objmapper::server
