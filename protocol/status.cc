// The status bytes and their names, in one table.
#include "protocol/status.h"

namespace objmapper::protocol {
namespace {

// The one list of statuses; empty for a byte that is none.
absl::string_view NameOrEmpty(Status status) {
  switch (status) {
    case Status::kOk:
      return "OK";
    case Status::kNotFound:
      return "NOT_FOUND";
    case Status::kInvalidRequest:
      return "INVALID_REQUEST";
    case Status::kInvalidMode:
      return "INVALID_MODE";
    case Status::kUriTooLong:
      return "URI_TOO_LONG";
    case Status::kUnsupportedOp:
      return "UNSUPPORTED_OP";
    case Status::kPermissionDenied:
      return "PERMISSION_DENIED";
    case Status::kRangeNotSatisfiable:
      return "RANGE_NOT_SATISFIABLE";
    case Status::kTooLarge:
      return "TOO_LARGE";
    case Status::kConflict:
      return "CONFLICT";
    case Status::kInternalError:
      return "INTERNAL_ERROR";
    case Status::kStorageError:
      return "STORAGE_ERROR";
    case Status::kOutOfMemory:
      return "OUT_OF_MEMORY";
    case Status::kTimeout:
      return "TIMEOUT";
    case Status::kUnavailable:
      return "UNAVAILABLE";
    case Status::kProtocolError:
      return "PROTOCOL_ERROR";
    case Status::kVersionMismatch:
      return "VERSION_MISMATCH";
    case Status::kCapabilityError:
      return "CAPABILITY_ERROR";
  }
  return "";
}

}  // namespace

bool IsStatus(uint8_t byte) { return !NameOrEmpty(static_cast<Status>(byte)).empty(); }

absl::string_view StatusName(Status status) {
  const absl::string_view name = NameOrEmpty(status);
  return name.empty() ? "unknown" : name;
}

}  // namespace objmapper::protocol
