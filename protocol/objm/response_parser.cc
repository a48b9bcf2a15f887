// The client's parser. A message is consumed only when it is complete; bodies are left to the
// caller.
#include "protocol/objm/response_parser.h"

#include <algorithm>
#include <cstring>

#include "protocol/limits.h"
#include "protocol/objm/big_endian.h"
#include "protocol/objm/frame.h"

namespace objmapper::protocol {
namespace {

using Kind = ResponseParser::Kind;
using Result = ResponseParser::Result;

Result Broken(const char* reason) {
  Result result;
  result.kind = Kind::kBroken;
  result.reason = reason;
  return result;
}

// Reads a response whose V1 part, status u8 | content_length u64 | metadata_length u16, starts at
// `prefix_bytes`: 0 in V1, the type and the id in V2. The caller fills in the id.
Result NextResponse(absl::string_view input, size_t prefix_bytes) {
  const size_t header_bytes = prefix_bytes + kV1ResponseHeaderBytes;
  if (input.size() < header_bytes) return {};
  const char* in = input.data() + prefix_bytes;
  const size_t metadata_bytes = GetU16(in + 9);
  if (metadata_bytes > kMetadataBytesMax) {
    return Broken("a response announces more than 1024 bytes of metadata");
  }
  if (input.size() < header_bytes + metadata_bytes) return {};
  Result result;
  result.kind = Kind::kResponse;
  result.consumed = header_bytes + metadata_bytes;
  result.response.status = static_cast<Status>(GetU8(in));
  result.response.content_length = GetU64(in + 1);
  result.response.metadata = input.substr(header_bytes, metadata_bytes);
  return result;
}

// Reads a HELLO_ACK, or the V1 error that stands in for one.
Result NextOpening(absl::string_view input) {
  const uint8_t first = GetU8(input.data());
  if (first != GetU8(kOpening)) {
    if (!IsStatus(first) || static_cast<Status>(first) == Status::kOk) {
      return Broken("the server's first byte opens neither a HELLO_ACK nor an error");
    }
    return NextResponse(input, 0);
  }
  if (std::memcmp(input.data(), kOpening, std::min(input.size(), kOpeningBytes)) != 0) {
    return Broken("the server's HELLO_ACK has a wrong magic or version");
  }
  if (input.size() < kHelloAckBytes) return {};
  const char* in = input.data() + kOpeningBytes;
  Result result;
  result.kind = Kind::kHelloAck;
  result.consumed = kHelloAckBytes;
  result.capabilities = GetU16(in);
  result.max_pipeline = GetU16(in + 2);
  result.parallelism = GetU8(in + 4);
  return result;
}

// Reads any V2 message after HELLO_ACK.
Result NextV2(absl::string_view input) {
  const char* in = input.data();
  Result result;
  switch (GetU8(in)) {
    case kResponseType:
      result = NextResponse(input, kV2ResponseHeaderBytes - kV1ResponseHeaderBytes);
      if (result.kind == Kind::kResponse) result.response.id = GetU32(in + 1);
      return result;
    case kCloseType:
      if (input.size() < kCloseBytes) return {};
      result.kind = Kind::kClose;
      result.consumed = kCloseBytes;
      result.close_reason = static_cast<CloseReason>(GetU8(in + 1));
      return result;
    case kCloseAckType:
      // The second byte is reserved, and a reader ignores it.
      if (input.size() < kCloseAckBytes) return {};
      result.kind = Kind::kCloseAck;
      result.consumed = kCloseAckBytes;
      result.outstanding = GetU32(in + 2);
      return result;
    default:
      return Broken("the server sent an unknown message type");
  }
}

}  // namespace

ResponseParser::Result ResponseParser::Next(absl::string_view input) {
  if (input.empty()) return {};
  if (dialect_ != Dialect::kV2) return NextResponse(input, 0);
  if (acknowledged_) return NextV2(input);
  Result result = NextOpening(input);
  acknowledged_ = result.kind == Kind::kHelloAck;
  return result;
}

}  // namespace objmapper::protocol
