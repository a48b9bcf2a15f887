// As much of docs/protocol.md as the floors need: fixed layouts, no checks.
#pragma once

#include <string.h>

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace objmapper::bench {

// "OBJM", version, capabilities u16, max_pipeline u16.
inline constexpr size_t kHelloBytes = 9;
inline constexpr size_t kHelloAckBytes = 10;

// The ACK grants whatever HELLO asked for.
inline void WriteHelloAck(const char* hello, char* ack) {
  memcpy(ack, hello, kHelloBytes);
  if (ack[7] == 0 && ack[8] == 0) ack[8] = 64;  // max_pipeline 0: as the server likes
  ack[kHelloBytes] = 1;                         // parallelism
}

// Takes the name of the request at the front of `input`, whose first `head_bytes` end with its
// length; false when it is not there as a whole.
inline bool TakeName(absl::string_view* input, size_t head_bytes, absl::string_view* name) {
  if (input->size() < head_bytes) return false;
  const char* length_at = input->data() + head_bytes - 2;
  const size_t length =
      static_cast<uint8_t>(length_at[0]) * 256 + static_cast<uint8_t>(length_at[1]);
  if (input->size() < head_bytes + length) return false;
  *name = input->substr(head_bytes, length);
  input->remove_prefix(head_bytes + length);
  return true;
}

// V1: mode u8, uri_length u16, uri.
inline constexpr size_t kRequestBytesV1 = 3;

// 0x01, id u32, flags u8 (0), mode u8, uri_length u16, uri.
inline constexpr size_t kRequestBytes = 9;
struct FloorRequest {
  uint32_t id = 0;  // as on the wire: it is only sent back
  absl::string_view name;
};

inline bool TakeRequest(absl::string_view* input, FloorRequest* request) {
  const char* in = input->data();
  if (!TakeName(input, kRequestBytes, &request->name)) return false;
  memcpy(&request->id, in + 1, sizeof(request->id));
  return true;
}

// 0x02, id u32, status u8, content_length u64, metadata_length u16 (0).
inline constexpr size_t kAnswerBytes = 16;
inline constexpr uint8_t kAnswerOk = 0;
inline constexpr uint8_t kAnswerNotFound = 1;

inline void WriteAnswer(uint32_t id, uint8_t status, uint64_t bytes, char* out) {
  out[0] = 2;
  memcpy(out + 1, &id, sizeof(id));
  out[5] = static_cast<char>(status);
  bytes = __builtin_bswap64(bytes);
  memcpy(out + 6, &bytes, sizeof(bytes));
  out[14] = out[15] = 0;
}

// V1: status u8, content_length u64 (0), metadata_length u16 (0).
inline constexpr size_t kAnswerBytesV1 = 11;

}  // namespace objmapper::bench
