// Which language a connection speaks: decided by its first bytes, and for good.
#pragma once

#include <cstdint>

namespace objmapper::protocol {

// V1 has no handshake; V2 opens with HELLO; HTTP is told by two bytes (protocol/opening.h).
enum class Dialect : uint8_t {
  kUnknown,  // neither a mode byte nor a whole HELLO has arrived
  kV1,
  kV2,
  kHttp,  // HTTP/1.1
};

}  // namespace objmapper::protocol
