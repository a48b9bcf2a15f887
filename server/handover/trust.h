// Whom one server believes to be another. Whoever gets our sockets can be us, and whose sockets we
// take has our clients.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/status.h"

namespace objmapper::server::handover {

// become: whom this server turns into, or its predecessor has turned into, by --user; nullopt:
// nobody.
struct Trust {
  std::optional<uid_t> become;

  // Root, ourselves, and `become`.
  bool In(uid_t uid) const;

  // Whether nobody else can put a door of their own where `door` is: FAILED_PRECONDITION when its
  // folder belongs to somebody else, or everybody may rename what is in it. OK for a name in the
  // abstract namespace, which has no folder: there, who sits behind the door is all that can be
  // looked at.
  absl::Status CheckFolderOf(const std::string& door) const;
};

}  // namespace objmapper::server::handover
