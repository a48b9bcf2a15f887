// The constant bytes of V2's frames, for this folder's encoders and parsers alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace objmapper::protocol {

// HELLO and HELLO_ACK open with these five bytes: the magic, then the version.
inline constexpr char kOpening[] = {'O', 'B', 'J', 'M', 2};
inline constexpr size_t kOpeningBytes = sizeof(kOpening);

// The first byte of every later V2 message.
inline constexpr uint8_t kRequestType = 0x01;
inline constexpr uint8_t kResponseType = 0x02;
inline constexpr uint8_t kCloseType = 0x03;
inline constexpr uint8_t kCloseAckType = 0x04;
inline constexpr uint8_t kAuthType = 0x05;

}  // namespace objmapper::protocol
