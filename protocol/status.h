// The status byte of an answer.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace objmapper::protocol {

enum class Status : uint8_t {
  kOk = 0x00,
  kNotFound = 0x01,
  kInvalidRequest = 0x02,
  kInvalidMode = 0x03,
  kUriTooLong = 0x04,
  kUnsupportedOp = 0x05,
  kPermissionDenied = 0x06,
  kRangeNotSatisfiable = 0x07,
  kTooLarge = 0x08,
  kConflict = 0x09,
  kPreconditionFailed = 0x0A,  // the object is not, or not there, as the request requires
  kNotModified = 0x0B,         // the object is still the version that the client has
  kInternalError = 0x10,
  kStorageError = 0x11,
  kOutOfMemory = 0x12,
  kTimeout = 0x13,
  // Try again: out of descriptors, queue room, rate or connections. RETRY_AFTER says when.
  kUnavailable = 0x14,
  kProtocolError = 0x20,
  kVersionMismatch = 0x21,
  kCapabilityError = 0x22,
};

// True when `byte` is one of the statuses above. Any thread.
bool IsStatus(uint8_t byte);

// "OK", "NOT_FOUND", ...; "unknown" for a byte the protocol does not define. The view is static.
absl::string_view StatusName(Status status);

}  // namespace objmapper::protocol
