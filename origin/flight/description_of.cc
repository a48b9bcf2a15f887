// Whatever else is told of it, two versions never have the same etag.
#include "origin/flight/description_of.h"

#include <algorithm>

#include "origin/cache/mark.h"
#include "storage/tree/object_info.h"

namespace objmapper::origin {

storage::Description DescriptionOf(const Identity& identity, const PartialView* view,
                                   absl::Time now) {
  const int64_t now_s = absl::ToUnixSeconds(now);
  storage::Description description;
  description.size = identity.size;
  description.mtime_s = std::min(identity.last_modified_s.value_or(now_s), now_s);
  if (IsStrong(identity.etag)) {
    description.etag = ClientEtag({.uri = identity.uri,
                                   .source = identity.source,
                                   .etag = identity.etag,
                                   .last_modified_s = identity.last_modified_s,
                                   .size = identity.size});
  } else if (view == nullptr) {
    description.etag = storage::Etag({.size = identity.size, .ctime_ns = absl::ToUnixNanos(now)});
  } else if (const auto info = storage::InfoOf(view->fd(), identity.uri); info.ok()) {
    description.etag = storage::Etag(*info);
  }
  return description;
}

}  // namespace objmapper::origin
