// Metadata of versions, and the conditions of requests that read.
#include "session/version.h"

#include "protocol/media_types.h"

namespace objmapper::session {

using protocol::MetadataType;
using protocol::MetadataWriter;
using protocol::Request;
using protocol::Status;

bool NeedsEtag(const Request& request) {
  return request.versions || request.conditions != nullptr || request.http != nullptr;
}

Status JudgeVersion(const Request& request, absl::string_view etag) {
  const bool same =
      request.conditions != nullptr && !etag.empty() && request.conditions->if_none_match == etag;
  return same ? Status::kNotModified : Status::kOk;
}

void AddVersion(const Request& request, const ObjectFacts& facts, MetadataWriter* metadata) {
  if (!request.versions) return;
  metadata->AddU64(MetadataType::kMtime, static_cast<uint64_t>(facts.mtime_s));
  metadata->AddText(MetadataType::kEtag, facts.etag);
  AddLifeAndType(request, facts, metadata);
}

void AddLifeAndType(const Request& request, const ObjectFacts& facts, MetadataWriter* metadata) {
  if (!request.versions) return;
  if (facts.expires_s != 0)
    metadata->AddU64(MetadataType::kExpires, static_cast<uint64_t>(facts.expires_s));
  metadata->AddText(MetadataType::kMime, protocol::MediaTypeOf(facts.uri));
}

}  // namespace objmapper::session
