// Which version of its object an answer is of: what is said of it, and what a request may say.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "protocol/cached.h"
#include "protocol/objm/metadata.h"
#include "protocol/request.h"
#include "protocol/status.h"

namespace objmapper::session {

// One version of an object.
struct ObjectFacts {
  uint64_t size = 0;
  int64_t mtime_s = 0;
  absl::string_view etag;   // empty where nobody needs it: NeedsEtag()
  uint8_t backend = 0;      // which tier it is in (storage/tree/description.h); 0: not told
  int64_t expires_s = 0;    // 0: never
  absl::string_view uri;    // what its type is told by
  protocol::Cached cached;  // CachedIn()
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

// What was done for one answer.
struct AskedRemote {
  bool asked = false;    // the object's remote was (storage/tree/remote.h)
  bool at_wish = false;  // as Cached's
};
// What is told of an object that has come from elsewhere, where `request` is told of that. tree: a
// storage::Tree; without a remote this costs a comparison. fd: the object, open for reading, or -1.
template <typename Tree>
protocol::Cached CachedIn(const Tree& tree, const protocol::Request& request, absl::string_view uri,
                          int fd = -1, AskedRemote asked = {}) {
  using How = protocol::Cached::How;
  protocol::Cached cached;
  if (tree.remote() == nullptr || !(request.versions || request.http != nullptr)) return cached;
  const auto from = tree.remote()->ProvenanceOf(uri, request.http != nullptr ? fd : -1);
  if (!from.remote) return cached;
  using Came = decltype(from.came);
  cached.how = How::kHit;
  if (asked.asked && from.came == Came::kFetched) cached.how = How::kFetched;
  if (asked.asked && from.came == Came::kReplaced) cached.how = How::kReplaced;
  if (asked.asked && from.came == Came::kNotModified) cached.how = How::kNotModified;
  if (asked.asked && from.came == Came::kConfirmed) cached.how = How::kConfirmed;
  cached.at_wish = asked.at_wish;
  cached.stale = from.stale;
  cached.checked_s = from.checked_s;
  cached.due_s = from.due_s;
  return cached;
}

// Whether a V2 request that reads is served with this version: OK or NOT_MODIFIED.
protocol::Status JudgeVersion(const protocol::Request& request, absl::string_view etag);
inline constexpr char kNotModifiedText[] =
    "the object is still the version that IF_NONE_MATCH names";

// Adds what is told of a version to a client that has negotiated VERSIONS (Request::versions), and
// to no other.
void AddVersion(const ObjectFacts& facts, protocol::MetadataWriter* metadata);
// The same, but for what OP_STAT tells everybody: when it is gone, its type, and whether it is
// stale.
void AddLifeAndType(const ObjectFacts& facts, protocol::MetadataWriter* metadata);

}  // namespace objmapper::session
