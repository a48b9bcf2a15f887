// Which language a connection speaks: decided by its first bytes, and for good.
#pragma once

#include <cstdint>

namespace objmapper::protocol {

// V1 has no handshake; V2 opens with HELLO.
enum class Dialect : uint8_t {
  kUnknown,  // neither a mode byte nor a whole HELLO has arrived
  kV1,
  kV2,
};

}  // namespace objmapper::protocol
