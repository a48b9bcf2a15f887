// Whether a listing can skip everything below a name.
#include "storage/store/list.h"

#include "absl/strings/match.h"

namespace objmapper::storage {

bool ListFilter::MayHold(absl::string_view before) const {
  if (Permits(before)) return true;
  const std::optional<std::string> next = After(before);
  return next.has_value() && absl::StartsWith(*next, before);
}

}  // namespace objmapper::storage
