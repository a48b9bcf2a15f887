// Whose language the first bytes of a connection are.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace objmapper::protocol {

enum class Opening : uint8_t {
  kNeedMore,  // one more byte decides
  kOwn,       // V1's, V2's, or nobody's: protocol/objm/
  kHttp,      // or what is told best in HTTP: TLS, the PROXY protocol
};

// Of the first bytes, one or more. Some methods of HTTP begin with the letter of a V1 mode or of
// HELLO; the second byte decides: in V1 it is the high byte of a length, at most 0x10, in HELLO a
// 'B', in a method a capital letter.
inline Opening OpeningOf(absl::string_view bytes) {
  constexpr char kTlsHandshake = 0x16;  // RFC 8446, 5.1
  const auto is_capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  const char first = bytes[0];
  // An empty line may stand before a request (RFC 9112, 2.2).
  const bool foreign = is_capital(first) || first == '\r' || first == kTlsHandshake;
  if (!foreign) return Opening::kOwn;
  if (bytes.size() < 2) return Opening::kNeedMore;
  const char second = bytes[1];
  if (first == '\r') return second == '\n' ? Opening::kHttp : Opening::kOwn;
  if (first == kTlsHandshake) return second == 3 ? Opening::kHttp : Opening::kOwn;
  return is_capital(second) && !(first == 'O' && second == 'B') ? Opening::kHttp : Opening::kOwn;
}

}  // namespace objmapper::protocol
