// Builds the description of an open object. Attributes of a client's memfd are not used.
#include "storage/tree/description.h"

#include <optional>
#include <utility>

#include "storage/tree/attributes.h"

namespace objmapper::storage {

std::string EtagOf(int fd, const ObjectInfo& info, Tier tier) {
  // What a client has attached to its memfd is not for us to tell others.
  if (tier == Tier::kMemory) return Etag(info);
  std::optional<std::string> known = KnownContentEtag(fd, info);
  return known.has_value() ? *std::move(known) : Etag(info);
}

Description Describe(int fd, const ObjectInfo& info, Tier tier) {
  return Description{info.size, info.mtime_s, EtagOf(fd, info, tier), tier, info.expires_s};
}

}  // namespace objmapper::storage
