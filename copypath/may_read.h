// What a peer may see of a listing, and whether it is still there to see it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "session/access.h"
#include "storage/store/list.h"

namespace objmapper::copypath {

// Whether nobody can have the answer any more. A Unix socket's peer that has closed it, or ended
// the process, shows as POLLHUP; one that has only said all it will (shutdown(2)) as POLLRDHUP, and
// is still owed its answers. Of a TCP peer only a reset shows.
bool HasGone(int socket);

// Once the peer has gone it may see nothing any more, so that nobody walks on for it. One thread's.
class MayRead : public storage::ListFilter {
 public:
  // access: null, or whose rules say what the asker sees. What is pointed to outlives it.
  MayRead(const session::Access* access, const session::Asker& asker)
      : access_(access), asker_(asker) {}

  bool Permits(absl::string_view uri) const override;
  std::optional<std::string> After(absl::string_view uri) const override;

 private:
  static constexpr size_t kAskedBetweenLooks = 1024;

  const session::Access* const access_;
  const session::Asker asker_;
  mutable size_t asked_ = 0;
  mutable bool gone_ = false;
  // the connection's own is its owner's thread's
  mutable std::unique_ptr<session::Standing> standing_;
};

}  // namespace objmapper::copypath
