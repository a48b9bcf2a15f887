// The parser that receives hostile bytes. It consumes a message only when it is complete, so the
// same bytes in any number of pieces give the same results (but for the words of a refusal).
#include "protocol/objm/request_parser.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "protocol/limits.h"
#include "protocol/objm/big_endian.h"
#include "protocol/objm/frame.h"
#include "protocol/objm/metadata.h"

namespace objmapper::protocol {
namespace {

// Offsets in a V2 request, which opens with type u8, id u32, flags u8, mode u8, uri_length u16.
constexpr size_t kIdAt = 1;
constexpr size_t kFlagsAt = 5;
constexpr size_t kModeAt = 6;
constexpr size_t kUriLengthAt = 7;
constexpr size_t kV2FixedBytes = 9;
constexpr size_t kRangeBytes = 16;
constexpr size_t kBodyLengthBytes = 8;
constexpr size_t kMetadataLengthBytes = 2;

bool Stores(uint8_t mode) {
  return static_cast<Mode>(mode) == Mode::kPut || static_cast<Mode>(mode) == Mode::kPutFd;
}

void Fail(Status status, const char* reason, uint32_t id, RequestParser::Result* result) {
  result->kind = RequestParser::Kind::kFatal;
  result->status = status;
  result->reason = reason;
  result->id = id;
}

// What a stranger's connection begins with, for a sentence that helps.
constexpr const char* kHttpMethods[] = {"GET",     "HEAD",  "POST",    "PUT",   "DELETE",
                                        "OPTIONS", "PATCH", "CONNECT", "TRACE", "PRI"};

bool IsHttp(absl::string_view input) {
  for (absl::string_view method : kHttpMethods) {
    if (input.size() > method.size() + 1 && input.substr(0, method.size()) == method &&
        input[method.size()] == ' ')
      return true;
  }
  return false;
}

const char* const kHttpReason =
    "this is HTTP, but this socket uses objmapper's own protocol; the status page is at "
    "--admin_listen";

const char* ReasonOfFirstByte(absl::string_view input) {
  constexpr char kTlsHandshake = 0x16;  // RFC 8446, 5.1
  if (IsHttp(input)) return kHttpReason;
  if (input[0] == kTlsHandshake)
    return "this is TLS, but this socket uses objmapper's own protocol, unencrypted";
  return "the first byte opens neither a request nor a HELLO: this is not objmapper's protocol";
}

void FailForLongUri(uint32_t id, RequestParser::Result* result) {
  Fail(Status::kUriTooLong, "the URI is longer than 4096 bytes", id, result);
}

void Refuse(Status status, const char* reason, Request* request) {
  request->refusal = status;
  request->reason = reason;
}

// Refuses what V1 and V2 both refuse. `empty_allowed`: LIST asks for everything with an empty URI.
void JudgeUri(bool empty_allowed, Request* request) {
  if (request->uri.empty()) {
    if (!empty_allowed) Refuse(Status::kInvalidRequest, "the URI is empty", request);
  } else if (request->mode != Mode::kList &&
             std::memchr(request->uri.data(), '\0', request->uri.size()) != nullptr) {
    const bool ping = request->mode == Mode::kStat && request->uri.size() == 1;
    Refuse(Status::kInvalidRequest, ping ? kPing : "the URI contains a NUL byte", request);
  }
}

bool IsEtag(const std::string& text) { return !text.empty() && text.size() <= kEtagBytesMax; }

// Reads what a request's metadata says of versions into it, or refuses it.
void ReadConditions(const Metadata& metadata, bool negotiated, Request* request) {
  const bool stores = Stores(static_cast<uint8_t>(request->mode));
  const bool changes = stores || request->mode == Mode::kDelete;
  Conditions conditions{metadata.if_absent, metadata.if_match.value_or(""),
                        metadata.if_none_match.value_or("")};
  if (!negotiated) {
    Refuse(Status::kCapabilityError, "CONDITIONS was not negotiated in HELLO", request);
  } else if ((metadata.if_match.has_value() && !IsEtag(conditions.if_match)) ||
             (metadata.if_none_match.has_value() && !IsEtag(conditions.if_none_match))) {
    Refuse(Status::kInvalidRequest, "an ETAG has 1 to 64 characters", request);
  } else if (conditions.if_absent && !stores) {
    Refuse(Status::kInvalidRequest, "IF_ABSENT is for OP_PUT and OP_PUT_FD", request);
  } else if (metadata.if_match.has_value() && !changes) {
    Refuse(Status::kInvalidRequest, "IF_MATCH is for OP_PUT, OP_PUT_FD and OP_DELETE", request);
  } else if (metadata.if_none_match.has_value() && changes) {
    Refuse(Status::kInvalidRequest, "IF_NONE_MATCH is for requests that read", request);
  } else if (conditions.if_absent && metadata.if_match.has_value()) {
    Refuse(Status::kInvalidRequest, "IF_ABSENT and IF_MATCH exclude each other", request);
  } else {
    request->conditions = std::make_shared<const Conditions>(std::move(conditions));
  }
}

// Reads what a request's metadata says into it, or refuses it. conditions: CONDITIONS has been
// negotiated.
void ReadRequestMetadata(absl::string_view bytes, bool conditions, Request* request) {
  const std::optional<Metadata> metadata = ParseMetadata(bytes);
  if (!metadata.has_value()) {
    Refuse(Status::kInvalidRequest, "the metadata is malformed", request);
    return;
  }
  if (metadata->ttl_s.has_value()) {
    request->ttl_s = *metadata->ttl_s;
    if (request->ttl_s == 0) Refuse(Status::kInvalidRequest, "a TTL is 1 second or more", request);
  }
  const bool any =
      metadata->if_absent || metadata->if_match.has_value() || metadata->if_none_match.has_value();
  if (any && request->refusal == Status::kOk) ReadConditions(*metadata, conditions, request);
}

}  // namespace

void RequestParser::NextHello(absl::string_view input, Result* result) {
  static_assert(kOpeningBytes <= kHelloBytes);
  const size_t comparable = std::min(input.size(), kOpeningBytes);
  if (std::memcmp(input.data(), kOpening, comparable) != 0) {
    const bool magic_is_right =
        comparable == kOpeningBytes && std::memcmp(input.data(), kOpening, kOpeningBytes - 1) == 0;
    Fail(Status::kVersionMismatch,
         magic_is_right  ? "HELLO requests a version other than 2"
         : IsHttp(input) ? kHttpReason
                         : "HELLO does not open with the magic OBJM",
         0, result);
    return;
  }
  if (input.size() < kHelloBytes) return;

  uint16_t theirs = GetU16(input.data() + kOpeningBytes);
  const uint16_t their_pipeline = GetU16(input.data() + kOpeningBytes + sizeof(uint16_t));
  if ((theirs & kFdBatch) != 0) theirs |= kFdInHeader;
  if ((theirs & kConditions) != 0) theirs |= kMetadata;
  capabilities_ = offer_.capabilities & theirs;
  if (!Has(kFdInHeader)) capabilities_ &= static_cast<uint16_t>(~kFdBatch);
  if (!Has(kMetadata)) capabilities_ &= static_cast<uint16_t>(~kConditions);
  if (their_pipeline != 0) max_pipeline_ = std::min(offer_.max_pipeline, their_pipeline);
  dialect_ = Dialect::kV2;
  result->kind = Kind::kHello;
  result->consumed = kHelloBytes;
}

bool RequestParser::KnowsFlags(uint8_t mode, uint8_t flags) const {
  if ((flags & ~kAllFlags) != 0) return false;
  if ((flags & kFlagThrough) != 0 && static_cast<Mode>(mode) != Mode::kList) return false;
  return (flags & kFlagMetadata) == 0 || (Has(kMetadata) && MayHaveMetadata(mode));
}

bool RequestParser::MayHaveMetadata(uint8_t mode) const {
  return Stores(mode) ||
         (Has(kConditions) && IsMode(mode) && static_cast<Mode>(mode) != Mode::kList);
}

void RequestParser::NextV1(absl::string_view input, Result* result) {
  if (input.size() < kV1RequestHeaderBytes) return;
  const uint8_t mode = GetU8(input.data());
  const size_t uri_bytes = GetU16(input.data() + 1);
  if (uri_bytes > kUriBytesMax) {
    FailForLongUri(0, result);
    if (IsHttp(input))
      result->reason = kHttpReason;  // DELETE: no URI that may be has a length of "EL"
    return;
  }
  if (input.size() < kV1RequestHeaderBytes + uri_bytes) return;

  result->kind = Kind::kRequest;
  result->consumed = kV1RequestHeaderBytes + uri_bytes;
  Request& request = result->request;
  request.mode = static_cast<Mode>(mode);
  request.uri = input.substr(kV1RequestHeaderBytes, uri_bytes);
  if (!IsMode(mode)) {
    Refuse(Status::kInvalidMode, "the mode byte is not a mode of the protocol", &request);
  } else {
    JudgeUri(/*empty_allowed=*/false, &request);
  }
}

void RequestParser::NextAuth(absl::string_view input, Result* result) {
  // What follows would be taken for somebody else's than its sender means.
  if (!Has(kAuth))
    return Fail(Status::kProtocolError, "AUTH was not negotiated in HELLO", 0, result);
  if (input.size() < kAuthHeaderBytes) return;
  const size_t token_bytes = GetU16(input.data() + 1);
  if (token_bytes > kTokenBytesMax)
    return Fail(Status::kProtocolError, "the token is longer than 4096 bytes", 0, result);
  if (input.size() < kAuthHeaderBytes + token_bytes) return;
  result->kind = Kind::kAuth;
  result->consumed = kAuthHeaderBytes + token_bytes;
  result->token = input.substr(kAuthHeaderBytes, token_bytes);
}

// The hot path: one bounds check for the fixed part, one for the whole, no copy but the fields.
void RequestParser::NextV2(absl::string_view input, Result* result) {
  const char* in = input.data();
  const uint8_t type = GetU8(in);
  if (type != kRequestType) {
    if (type == kAuthType) {
      NextAuth(input, result);
    } else if (type != kCloseType) {
      Fail(Status::kProtocolError, "the message type is unknown", 0, result);
    } else if (input.size() >= kCloseBytes) {
      result->kind = Kind::kClose;
      result->consumed = kCloseBytes;
    }
    return;
  }

  if (input.size() < kV2FixedBytes) return;
  const uint32_t id = GetU32(in + kIdAt);
  const uint8_t flags = GetU8(in + kFlagsAt);
  const uint8_t mode = GetU8(in + kModeAt);
  const size_t uri_bytes = GetU16(in + kUriLengthAt);
  if (uri_bytes > kUriBytesMax) return FailForLongUri(id, result);
  // Flags and mode decide the frame even when the request is refused for them.
  const bool has_range = (flags & kFlagRange) != 0;
  const bool has_body = static_cast<Mode>(mode) == Mode::kPut;
  const bool has_metadata = (flags & kFlagMetadata) != 0 && MayHaveMetadata(mode);
  const size_t metadata_at =
      kV2FixedBytes + (has_range ? kRangeBytes : 0) + (has_body ? kBodyLengthBytes : 0);
  const size_t header_bytes = metadata_at + (has_metadata ? kMetadataLengthBytes : 0);
  if (input.size() < header_bytes) return;
  const size_t metadata_bytes = has_metadata ? GetU16(in + metadata_at) : 0;
  if (metadata_bytes > kMetadataBytesMax) {
    Fail(Status::kProtocolError, "the metadata is longer than 1024 bytes", id, result);
    return;
  }
  if (input.size() < header_bytes + uri_bytes + metadata_bytes) return;

  result->kind = Kind::kRequest;
  result->consumed = header_bytes + uri_bytes + metadata_bytes;
  Request& request = result->request;
  request.id = id;
  request.flags = flags;
  request.mode = static_cast<Mode>(mode);
  request.versions = Has(kVersions);
  if (has_range) {
    request.offset = GetU64(in + kV2FixedBytes);
    request.length = GetU64(in + kV2FixedBytes + sizeof(uint64_t));
  }
  if (has_body) request.body_length = GetU64(in + metadata_at - kBodyLengthBytes);
  request.uri = absl::string_view(in + header_bytes, uri_bytes);
  if (!IsMode(mode)) {
    Refuse(Status::kInvalidMode, "the mode byte is not a mode of the protocol", &request);
  } else if (!KnowsFlags(mode, flags)) {
    Refuse(Status::kInvalidRequest, "the request has unknown flag bits", &request);
  } else if (has_range && !Has(kRange)) {
    Refuse(Status::kCapabilityError, "RANGE was not negotiated in HELLO", &request);
  } else if (request.through() && !Has(kListThrough)) {
    Refuse(Status::kCapabilityError, "LIST_THROUGH was not negotiated in HELLO", &request);
  } else {
    JudgeUri(/*empty_allowed=*/request.mode == Mode::kList, &request);
    if (metadata_bytes != 0 && request.refusal == Status::kOk) {
      ReadRequestMetadata(input.substr(header_bytes + uri_bytes, metadata_bytes), Has(kConditions),
                          &request);
    }
  }
}

RequestParser::Result RequestParser::Next(absl::string_view input) {
  Result result;
  size_t skipped = 0;
  if (skip_ != 0) {
    skipped = static_cast<size_t>(std::min<uint64_t>(skip_, input.size()));
    skip_ -= skipped;
    input.remove_prefix(skipped);
  }
  if (!input.empty()) {
    const uint8_t first = GetU8(input.data());
    if (dialect_ == Dialect::kUnknown && IsMode(first)) dialect_ = Dialect::kV1;
    switch (dialect_) {
      case Dialect::kV2:
        NextV2(input, &result);
        break;
      case Dialect::kV1:
        NextV1(input, &result);
        break;
      case Dialect::kHttp:  // never this parser's
      case Dialect::kUnknown:
        if (first == GetU8(kOpening)) {
          NextHello(input, &result);
        } else {
          Fail(Status::kInvalidMode, ReasonOfFirstByte(input), 0, &result);
        }
        break;
    }
  }
  result.consumed += skipped;
  return result;
}

RequestParser::Peek RequestParser::PeekMode(absl::string_view input, Mode* mode) const {
  if (skip_ >= input.size()) return Peek::kNeedMore;  // an empty input too
  input.remove_prefix(static_cast<size_t>(skip_));
  uint8_t byte = GetU8(input.data());
  if (dialect_ == Dialect::kV2) {
    if (byte != kRequestType) return Peek::kOther;
    if (input.size() <= kModeAt) return Peek::kNeedMore;
    const uint8_t flags = GetU8(input.data() + kFlagsAt);
    byte = GetU8(input.data() + kModeAt);
    if (!KnowsFlags(byte, flags)) return Peek::kOther;
    if ((flags & kFlagRange) != 0 && !Has(kRange)) return Peek::kOther;
    if ((flags & kFlagThrough) != 0 && !Has(kListThrough)) return Peek::kOther;
  }
  if (!IsMode(byte)) return Peek::kOther;  // 'O' is no mode
  *mode = static_cast<Mode>(byte);
  return Peek::kKnown;
}

}  // namespace objmapper::protocol
