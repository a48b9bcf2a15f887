// Which version of its object an answer is of: what is said of it, and what a request may say.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "protocol/objm/metadata.h"
#include "protocol/request.h"
#include "protocol/status.h"

namespace objmapper::session {

// One version of an object.
struct ObjectFacts {
  uint64_t size = 0;
  int64_t mtime_s = 0;
  absl::string_view etag;  // empty where nobody needs it: NeedsEtag()
  uint8_t backend = 0;     // which tier it is in (storage/tree/description.h); 0: not told
  int64_t expires_s = 0;   // 0: never
  absl::string_view uri;   // what its type is told by
};
// Those of a storage::Description or ObjectInfo, which this folder does not know; they point into
// it.
template <typename Description>
ObjectFacts FactsOf(const Description& object, absl::string_view uri) {
  return {object.size,      object.mtime_s,
          object.etag,      static_cast<uint8_t>(object.tier),
          object.expires_s, uri};
}

// Whether the answer to a request that reads depends on the object's etag, or tells it. To find it
// out costs a system call.
inline bool NeedsEtag(const protocol::Request& request) {
  return request.versions || request.conditions != nullptr || request.http != nullptr;
}

// Whether a V2 request that reads is served with this version: OK or NOT_MODIFIED.
protocol::Status JudgeVersion(const protocol::Request& request, absl::string_view etag);
inline constexpr char kNotModifiedText[] =
    "the object is still the version that IF_NONE_MATCH names";

// Adds what is told of a version to a client that has negotiated VERSIONS (Request::versions), and
// to no other.
void AddVersion(const ObjectFacts& facts, protocol::MetadataWriter* metadata);
// The same, but for what OP_STAT tells everybody.
void AddLifeAndType(const ObjectFacts& facts, protocol::MetadataWriter* metadata);

}  // namespace objmapper::session
