// D-Bus messages, marshalled by hand: a method call out, any message in. Little-endian, which is
// what peers on this machine write too.
//
// Source: D-Bus Specification, "Message Protocol".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace objmapper::bench {

struct DbusCall {
  absl::string_view destination, path, interface, member;
  absl::string_view argument;  // one string; empty: no argument at all
};

// The call's bytes, with `serial` (1 and up) in it.
std::string MarshalCall(const DbusCall& call, uint32_t serial);

// Where a message has its serial: u32, little-endian.
inline constexpr size_t kDbusSerialAt = 8;

struct DbusMessage {
  enum Type : uint8_t { kCall = 1, kReturn = 2, kError = 3, kSignal = 4 };
  size_t bytes = 0;  // of the whole message; 0: more input is needed
  uint8_t type = 0;
  uint32_t reply_serial = 0;  // 0: none
  uint32_t unix_fds = 0;
  absl::string_view error_name;  // into the input
};

// Reads the message at the front of `input`. False: it is malformed.
bool ReadDbusMessage(absl::string_view input, DbusMessage* message);

}  // namespace objmapper::bench
