// Parses a request and builds its answer. A datagram that is not exactly one request gets no
// answer, so forged traffic is not answered.
#include "server/udp/reply.h"

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "net/clock.h"
#include "protocol/limits.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/metadata.h"
#include "session/answers.h"
#include "storage/tree/description.h"
#include "storage/tree/load.h"
#include "storage/tree/object_info.h"
#include "storage/tree/stat_cache.h"

namespace objmapper::server::udp {
namespace {

using protocol::Dialect;
using protocol::MetadataType;
using protocol::Mode;
using protocol::RequestParser;
using protocol::Status;
using storage::Wait;

// How often an object that changes while it is read is read anew.
constexpr int kAttemptsMax = 4;
// A metadata entry's type and length.
constexpr size_t kEntryHeaderBytes = 3;

bool NotCached(const absl::Status& status, Wait wait) {
  return wait == Wait::kCachedOnly && absl::IsUnavailable(status);
}

std::optional<Reply> ReplyToStat(const protocol::Request& request, const Objects& objects,
                                 Wait wait) {
  const absl::StatusOr<storage::Description> found =
      storage::FindDescription(*objects.tree, objects.index, request.uri, net::NowNs(), wait);
  if (NotCached(found.status(), wait)) return std::nullopt;
  if (!found.ok()) return ErrorReply(request, found.status());
  Reply reply;
  session::AppendStat(Dialect::kV2, request, session::FactsOf(*found, request.uri), &reply.bytes);
  return reply;
}

std::string Encoded(const protocol::Request& request, Status status, uint64_t length,
                    const protocol::MetadataWriter& metadata) {
  char buffer[protocol::kResponseBytesMax];
  return std::string(buffer, protocol::EncodeResponse(Dialect::kV2, request.id, status, length,
                                                      metadata.bytes(), buffer));
}

// The header of an OK answer with `extent` of an object.
std::string Header(const protocol::Request& request, const session::Extent& extent, uint64_t size,
                   absl::string_view etag) {
  protocol::MetadataWriter metadata;
  metadata.AddU64(MetadataType::kSize, size);
  metadata.AddText(MetadataType::kEtag, etag);
  if (request.has_range()) metadata.AddRange(extent.offset, extent.length);
  return Encoded(request, Status::kOk, extent.length, metadata);
}

// TOO_LARGE, with the size, and in RANGE the most that is granted from the extent's offset on.
Reply TooLarge(const protocol::Request& request, const session::Extent& extent, uint64_t size,
               absl::string_view etag, size_t payload_max) {
  const size_t header_bytes = protocol::kV2ResponseHeaderBytes + kEntryHeaderBytes +
                              sizeof(uint64_t) + kEntryHeaderBytes + etag.size() +
                              kEntryHeaderBytes + 2 * sizeof(uint64_t);
  protocol::MetadataWriter metadata;
  metadata.AddU64(MetadataType::kSize, size);
  metadata.AddRange(extent.offset, payload_max - header_bytes);
  metadata.AddText(MetadataType::kError,
                   absl::StrCat(extent.length, " bytes do not fit a datagram of at most ",
                                payload_max, " bytes; request ranges"));
  return {Encoded(request, Status::kTooLarge, 0, metadata), Status::kTooLarge};
}

std::optional<Reply> ReplyToCopy(const protocol::Request& request, const Objects& objects,
                                 Wait wait) {
  const absl::StatusOr<storage::OpenedObject> object = objects.tree->OpenObject(request.uri, wait);
  if (NotCached(object.status(), wait)) return std::nullopt;
  if (!object.ok()) return ErrorReply(request, object.status());
  storage::ObjectInfo info = object->info;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const std::optional<session::Extent> extent = session::ResolveExtent(request, info.size);
    if (!extent.has_value()) {
      return udp::ErrorReply(request, Status::kRangeNotSatisfiable,
                             session::RangeMessage(request, info.size));
    }
    const std::string etag = storage::EtagOf(object->fd.get(), info, object->tier);
    Reply reply;
    reply.bytes = Header(request, *extent, info.size, etag);
    const size_t header_bytes = reply.bytes.size();
    if (extent->length > objects.payload_max - header_bytes) {
      return TooLarge(request, *extent, info.size, etag, objects.payload_max);
    }
    reply.object_bytes = extent->length;
    reply.bytes.resize(header_bytes + extent->length);
    const absl::Status read = storage::ReadAt(
        object->fd.get(), extent->offset,
        absl::MakeSpan(&reply.bytes[header_bytes], extent->length), wait, request.uri);
    if (NotCached(read, wait)) return std::nullopt;
    if (!read.ok() && !absl::IsAborted(read)) return ErrorReply(request, read);
    const absl::StatusOr<storage::ObjectInfo> after =
        storage::InfoOf(object->fd.get(), request.uri);
    if (!after.ok()) return ErrorReply(request, after.status());
    if (read.ok() && *after == info) return reply;
    info = *after;
  }
  return udp::ErrorReply(request, Status::kUnavailable, "the object is being changed; try again");
}

}  // namespace

Reply ErrorReply(const protocol::Request& request, const absl::Status& error) {
  Reply reply;
  reply.status = session::WireStatus(error);
  session::AppendError(Dialect::kV2, request, error, &reply.bytes);
  return reply;
}

const size_t kPayloadMaxLeast = protocol::kResponseBytesMax;

std::optional<protocol::Request> ParseDatagram(absl::string_view datagram) {
  RequestParser parser({.capabilities = protocol::kRange, .max_pipeline = 1});
  // As after a HELLO that asks for what is understood here.
  parser.Restore({Dialect::kV2, protocol::kRange, /*max_pipeline=*/1, /*to_skip=*/0});
  RequestParser::Result result = parser.Next(datagram);
  if (result.kind != RequestParser::Kind::kRequest) return std::nullopt;
  protocol::Request& request = result.request;
  if (datagram.size() - result.consumed != request.body_length) return std::nullopt;
  if (request.refusal == Status::kOk && request.mode != Mode::kCopy &&
      request.mode != Mode::kStat) {
    request.refusal = Status::kInvalidMode;
    request.reason = "UDP carries only OP_COPY and OP_STAT";
  }
  return request;
}

Reply ErrorReply(const protocol::Request& request, Status status, absl::string_view message) {
  Reply reply;
  reply.status = status;
  session::AppendError(Dialect::kV2, request.id, status, message, &reply.bytes,
                       request.retry_after_ms);
  return reply;
}

std::optional<Reply> ReplyTo(const protocol::Request& request, const Objects& objects, Wait wait) {
  if (request.refusal != Status::kOk)
    return udp::ErrorReply(request, request.refusal, request.reason);
  return request.mode == Mode::kStat ? ReplyToStat(request, objects, wait)
                                     : ReplyToCopy(request, objects, wait);
}

}  // namespace objmapper::server::udp
