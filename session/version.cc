// Metadata of versions, and the conditions of requests that read.
#include "session/version.h"

#include "protocol/media_types.h"

namespace objmapper::session {

using protocol::MetadataType;
using protocol::MetadataWriter;
using protocol::Request;
using protocol::Status;

Status JudgeVersion(const Request& request, absl::string_view etag) {
  const bool same =
      request.conditions != nullptr && !etag.empty() && request.conditions->if_none_match == etag;
  return same ? Status::kNotModified : Status::kOk;
}

void AddVersion(const ObjectFacts& facts, MetadataWriter* metadata) {
  metadata->AddU64(MetadataType::kMtime, static_cast<uint64_t>(facts.mtime_s));
  metadata->AddText(MetadataType::kEtag, facts.etag);
  AddLifeAndType(facts, metadata);
}

void AddLifeAndType(const ObjectFacts& facts, MetadataWriter* metadata) {
  if (facts.expires_s != 0)
    metadata->AddU64(MetadataType::kExpires, static_cast<uint64_t>(facts.expires_s));
  metadata->AddText(MetadataType::kMime, protocol::MediaTypeOf(facts.uri));
  if (facts.cached.stale) metadata->AddText(MetadataType::kStale, "");
}

}  // namespace objmapper::session
