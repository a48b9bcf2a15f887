// Big-endian integers in byte buffers; the wire has no others.
#pragma once

#include <cstdint>
#include <cstring>

namespace objmapper::protocol {

// Writes `value` at `out` and returns the byte after it. `out` has room for sizeof(value).
inline char* PutU8(char* out, uint8_t value) {
  *out = static_cast<char>(value);
  return out + 1;
}
inline char* PutU16(char* out, uint16_t value) {
  value = __builtin_bswap16(value);
  std::memcpy(out, &value, sizeof(value));
  return out + sizeof(value);
}
inline char* PutU32(char* out, uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(out, &value, sizeof(value));
  return out + sizeof(value);
}
inline char* PutU64(char* out, uint64_t value) {
  value = __builtin_bswap64(value);
  std::memcpy(out, &value, sizeof(value));
  return out + sizeof(value);
}

// Reads the integer at `in`, which has at least that many bytes.
inline uint8_t GetU8(const char* in) { return static_cast<uint8_t>(*in); }
inline uint16_t GetU16(const char* in) {
  uint16_t value;
  std::memcpy(&value, in, sizeof(value));
  return __builtin_bswap16(value);
}
inline uint32_t GetU32(const char* in) {
  uint32_t value;
  std::memcpy(&value, in, sizeof(value));
  return __builtin_bswap32(value);
}
inline uint64_t GetU64(const char* in) {
  uint64_t value;
  std::memcpy(&value, in, sizeof(value));
  return __builtin_bswap64(value);
}

}  // namespace objmapper::protocol
