// The encoders. Every integer is big-endian and every message is written in one pass, without
// allocation.
#include "protocol/objm/encode.h"

#include <cassert>
#include <cstring>

#include "protocol/objm/big_endian.h"
#include "protocol/objm/frame.h"
#include "protocol/objm/metadata.h"

namespace objmapper::protocol {
namespace {

// The part that HELLO and HELLO_ACK share. Returns the byte after it.
char* PutHello(uint16_t capabilities, uint16_t max_pipeline, char* out) {
  std::memcpy(out, kOpening, kOpeningBytes);
  return PutU16(PutU16(out + kOpeningBytes, capabilities), max_pipeline);
}

}  // namespace

size_t EncodeResponse(Dialect dialect, uint32_t id, Status status, uint64_t content_length,
                      absl::string_view metadata, char* out) {
  assert(metadata.size() <= kMetadataBytesMax);
  char* at = out;
  if (dialect == Dialect::kV2) {
    at = PutU32(PutU8(at, kResponseType), id);
  }
  at = PutU8(at, static_cast<uint8_t>(status));
  at = PutU64(at, content_length);
  at = PutU16(at, static_cast<uint16_t>(metadata.size()));
  if (!metadata.empty()) std::memcpy(at, metadata.data(), metadata.size());
  return static_cast<size_t>(at - out) + metadata.size();
}

size_t EncodeError(Dialect dialect, uint32_t id, Status status, absl::string_view message,
                   uint32_t retry_after_ms, char* out) {
  MetadataWriter metadata;
  // Before the message, which takes whatever room is left.
  if (retry_after_ms != 0) metadata.AddU32(MetadataType::kRetryAfter, retry_after_ms);
  metadata.AddText(MetadataType::kError, message);
  return EncodeResponse(dialect, id, status, 0, metadata.bytes(), out);
}

void AppendListEntry(const ListedObject& object, std::string* body) {
  char head[sizeof(uint16_t)];
  PutU16(head, static_cast<uint16_t>(object.uri.size()));
  body->append(head, sizeof(head));
  body->append(object.uri.data(), object.uri.size());
  char tail[2 * sizeof(uint64_t)];
  PutU64(PutU64(tail, object.size), object.mtime_s);
  body->append(tail, sizeof(tail));
}

size_t EncodeHelloAck(uint16_t capabilities, uint16_t max_pipeline, uint8_t parallelism,
                      char* out) {
  PutU8(PutHello(capabilities, max_pipeline, out), parallelism);
  return kHelloAckBytes;
}

size_t EncodeCloseAck(uint32_t outstanding, char* out) {
  PutU32(PutU8(PutU8(out, kCloseAckType), 0), outstanding);
  return kCloseAckBytes;
}

size_t EncodeClose(CloseReason reason, char* out) {
  PutU8(PutU8(out, kCloseType), static_cast<uint8_t>(reason));
  return kCloseBytes;
}

size_t EncodeHello(uint16_t capabilities, uint16_t max_pipeline, char* out) {
  PutHello(capabilities, max_pipeline, out);
  return kHelloBytes;
}

void AppendAuth(absl::string_view token, std::string* out) {
  assert(token.size() <= kTokenBytesMax);
  char header[kAuthHeaderBytes];
  PutU16(PutU8(header, kAuthType), static_cast<uint16_t>(token.size()));
  out->append(header, sizeof(header));
  out->append(token.data(), token.size());
}

void AppendRequest(Dialect dialect, const RequestToSend& request, std::string* out) {
  assert(request.uri.size() <= kUriBytesMax);
  const bool v2 = dialect == Dialect::kV2;
  char header[kV2RequestHeaderBytesMax];
  char* at = header;
  if (v2) {
    at = PutU32(PutU8(at, kRequestType), request.id);
    at = PutU8(at, request.flags);
  }
  at = PutU8(at, static_cast<uint8_t>(request.mode));
  at = PutU16(at, static_cast<uint16_t>(request.uri.size()));
  if (v2 && (request.flags & kFlagRange) != 0) {
    at = PutU64(PutU64(at, request.offset), request.length);
  }
  if (v2 && request.mode == Mode::kPut) at = PutU64(at, request.body_length);
  const bool stores = request.mode == Mode::kPut || request.mode == Mode::kPutFd;
  const bool has_metadata =
      v2 && (stores || !request.metadata.empty()) && (request.flags & kFlagMetadata) != 0;
  assert(request.metadata.size() <= kMetadataBytesMax);
  if (has_metadata) at = PutU16(at, static_cast<uint16_t>(request.metadata.size()));
  out->append(header, static_cast<size_t>(at - header));
  out->append(request.uri.data(), request.uri.size());
  if (has_metadata) out->append(request.metadata.data(), request.metadata.size());
}

}  // namespace objmapper::protocol
