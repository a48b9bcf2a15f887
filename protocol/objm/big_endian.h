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
// The same of one that has the wire's order already.
template <typename Value>
char* PutSwapped(char* out, Value value) {
  std::memcpy(out, &value, sizeof(value));
  return out + sizeof(value);
}
inline char* PutU16(char* out, uint16_t v) { return PutSwapped(out, __builtin_bswap16(v)); }
inline char* PutU32(char* out, uint32_t v) { return PutSwapped(out, __builtin_bswap32(v)); }
inline char* PutU64(char* out, uint64_t v) { return PutSwapped(out, __builtin_bswap64(v)); }

// Reads the integer at `in`, which has at least that many bytes.
inline uint8_t GetU8(const char* in) { return static_cast<uint8_t>(*in); }
// The same in the wire's order.
template <typename Value>
Value GetSwapped(const char* in) {
  Value value;
  std::memcpy(&value, in, sizeof(value));
  return value;
}
inline uint16_t GetU16(const char* in) { return __builtin_bswap16(GetSwapped<uint16_t>(in)); }
inline uint32_t GetU32(const char* in) { return __builtin_bswap32(GetSwapped<uint32_t>(in)); }
inline uint64_t GetU64(const char* in) { return __builtin_bswap64(GetSwapped<uint64_t>(in)); }

}  // namespace objmapper::protocol
