// The status bytes and their names, in one table.
#include "protocol/status.h"

namespace objmapper::protocol {
namespace {

constexpr struct {
  Status status;
  absl::string_view name;
} kStatuses[] = {
    {Status::kOk, "OK"},
    {Status::kNotFound, "NOT_FOUND"},
    {Status::kInvalidRequest, "INVALID_REQUEST"},
    {Status::kInvalidMode, "INVALID_MODE"},
    {Status::kUriTooLong, "URI_TOO_LONG"},
    {Status::kUnsupportedOp, "UNSUPPORTED_OP"},
    {Status::kPermissionDenied, "PERMISSION_DENIED"},
    {Status::kRangeNotSatisfiable, "RANGE_NOT_SATISFIABLE"},
    {Status::kTooLarge, "TOO_LARGE"},
    {Status::kConflict, "CONFLICT"},
    {Status::kPreconditionFailed, "PRECONDITION_FAILED"},
    {Status::kNotModified, "NOT_MODIFIED"},
    {Status::kInternalError, "INTERNAL_ERROR"},
    {Status::kStorageError, "STORAGE_ERROR"},
    {Status::kOutOfMemory, "OUT_OF_MEMORY"},
    {Status::kTimeout, "TIMEOUT"},
    {Status::kUnavailable, "UNAVAILABLE"},
    {Status::kProtocolError, "PROTOCOL_ERROR"},
    {Status::kVersionMismatch, "VERSION_MISMATCH"},
    {Status::kCapabilityError, "CAPABILITY_ERROR"},
};

// Empty for a byte that is no status.
absl::string_view NameOrEmpty(Status status) {
  for (const auto& known : kStatuses) {
    if (known.status == status) return known.name;
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
