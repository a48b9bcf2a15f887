// What HELLO and HELLO_ACK agree on: bits of `capabilities`, and the flags of a V2 request.
#pragma once

#include <cstdint>

namespace objmapper::protocol {

// Bits of the `capabilities` field. The ACK carries the intersection of both sides'.
inline constexpr uint16_t kOutOfOrderReplies = 0x0001;
inline constexpr uint16_t kPipelining = 0x0002;
inline constexpr uint16_t kListThrough = 0x0004;  // LIST may tell what there is at origins
inline constexpr uint16_t kFdInHeader = 0x0100;   // the descriptor rides on RESPONSE's first byte
inline constexpr uint16_t kFdBatch = 0x0200;  // several RESPONSEs a message; implies kFdInHeader
inline constexpr uint16_t kRange = 0x0400;
inline constexpr uint16_t kObjectOps = 0x0800;
inline constexpr uint16_t kMetadata = 0x1000;    // PUT and PUT_FD may carry metadata
inline constexpr uint16_t kVersions = 0x2000;    // answers say which version of the object they are
inline constexpr uint16_t kConditions = 0x4000;  // requests may say which; implies kMetadata
inline constexpr uint16_t kAuth = 0x8000;        // AUTH may say whose requests are, by a token
inline constexpr uint16_t kAllCapabilities = kOutOfOrderReplies | kPipelining | kFdInHeader |
                                             kFdBatch | kRange | kObjectOps | kMetadata |
                                             kVersions | kConditions | kAuth | kListThrough;
// Those that a client without needs of its own asks for: what VERSIONS tells has to be found out
// for each answer, and AUTH is for who has a token.
inline constexpr uint16_t kFreeCapabilities = kAllCapabilities & ~kVersions & ~kAuth;

// Bits of a V2 request's `flags` field.
inline constexpr uint8_t kFlagOrdered = 0x01;   // answered only after all earlier requests
inline constexpr uint8_t kFlagPriority = 0x02;  // served before queued requests without it
inline constexpr uint8_t kFlagRange = 0x04;     // offset and length follow uri_length
// metadata_length and metadata are there: in PUT and PUT_FD, and with kConditions in all but LIST
inline constexpr uint8_t kFlagMetadata = 0x08;
inline constexpr uint8_t kFlagThrough = 0x10;  // LIST: through to the origins
inline constexpr uint8_t kAllFlags =
    kFlagOrdered | kFlagPriority | kFlagRange | kFlagMetadata | kFlagThrough;

// Why a V2 connection is closed: the byte of CLOSE.
enum class CloseReason : uint8_t {
  kNormal = 0,
  kIdleTimeout = 1,
  kProtocolError = 2,
  kShuttingDown = 3,
};

}  // namespace objmapper::protocol
