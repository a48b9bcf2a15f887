// The tables from statuses to om_code, and texts cut to the caller's buffer at a whole UTF-8
// character.
#include "client/c/outcome.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/error.h"
#include "protocol/status.h"
#include "text/printable.h"

namespace objmapper::client {
namespace {

constexpr absl::string_view kCodePayload = "objmapper/c-code";

om_code CodeOfAnswer(protocol::Status status) {
  switch (status) {
    case protocol::Status::kOk:
      return OM_OK;
    case protocol::Status::kNotFound:
      return OM_NOT_FOUND;
    case protocol::Status::kInvalidRequest:
    case protocol::Status::kInvalidMode:
    case protocol::Status::kUriTooLong:
      return OM_INVALID;
    case protocol::Status::kUnsupportedOp:
    case protocol::Status::kCapabilityError:
      return OM_UNSUPPORTED;
    case protocol::Status::kPermissionDenied:
      return OM_PERMISSION_DENIED;
    case protocol::Status::kRangeNotSatisfiable:
      return OM_RANGE;
    case protocol::Status::kTooLarge:
      return OM_TOO_LARGE;
    case protocol::Status::kConflict:
      return OM_CONFLICT;
    case protocol::Status::kOutOfMemory:
      return OM_NO_MEMORY;
    case protocol::Status::kTimeout:
      return OM_TIMEOUT;
    case protocol::Status::kUnavailable:
      return OM_UNAVAILABLE;
    case protocol::Status::kProtocolError:
    case protocol::Status::kVersionMismatch:
      return OM_PROTOCOL;
    case protocol::Status::kInternalError:
    case protocol::Status::kStorageError:
      return OM_SERVER;
  }
  return OM_SERVER;
}

om_code CodeOfConnection(absl::StatusCode code) {
  if (code == absl::StatusCode::kDeadlineExceeded) return OM_TIMEOUT;
  return code == absl::StatusCode::kInternal ? OM_PROTOCOL : OM_CONNECTION;
}

om_code CodeOf(const absl::Status& status) {
  if (status.ok()) return OM_OK;
  if (const absl::optional<absl::Cord> text = status.GetPayload(kCodePayload); text.has_value()) {
    int code = OM_LOCAL;
    return absl::SimpleAtoi(std::string(*text), &code) ? static_cast<om_code>(code) : OM_LOCAL;
  }
  const std::optional<protocol::Status> wire = WireStatusOf(status);
  if (wire.has_value()) return CodeOfAnswer(*wire);
  if (SourceOf(status) == ErrorSource::kConnection) return CodeOfConnection(status.code());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return OM_INVALID;
    case absl::StatusCode::kFailedPrecondition:  // a capability that this connection did not agree
                                                 // on
      return OM_UNSUPPORTED;
    case absl::StatusCode::kResourceExhausted:
      return OM_DESCRIPTORS_LOST;
    default:
      return OM_LOCAL;
  }
}

// Copies what fits, whole characters of UTF-8 alone, and ends it with a NUL.
void CopyText(absl::string_view text, char* out, size_t capacity) {
  size_t bytes = std::min(text.size(), capacity - 1);
  if (bytes < text.size()) {
    while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) --bytes;
  }
  std::copy_n(text.data(), bytes, out);
  out[bytes] = '\0';
}

}  // namespace

absl::Status AsCode(om_code code, absl::Status status) {
  status.SetPayload(kCodePayload, absl::Cord(absl::StrCat(static_cast<int>(code))));
  return status;
}

om_code Report(const absl::Status& status, om_error* error) {
  const om_code code = CodeOf(status);
  if (error == nullptr) return code;
  error->code = code;
  const std::optional<protocol::Status> wire = WireStatusOf(status);
  error->wire_status = wire.has_value() ? static_cast<int32_t>(*wire) : -1;
  const std::optional<absl::Duration> wait = RetryAfter(status);
  error->retry_after_ms =
      wait.has_value() ? static_cast<uint32_t>(absl::ToInt64Milliseconds(*wait)) : 0;
  CopyText(text::Printable(status.message()), error->message, sizeof(error->message));
  return code;
}

void Describe(const ObjectInfo& info, om_info* out) {
  if (out == nullptr) return;
  out->size = info.size;
  out->offset = info.offset;
  out->length = info.length;
  out->mtime_s = static_cast<uint64_t>(info.mtime_s.value_or(0));
  // A cut etag could be two contents' own; one with a NUL would be cut there.
  const bool fits = info.etag.has_value() && info.etag->size() < sizeof(out->etag) &&
                    info.etag->find('\0') == std::string::npos;
  CopyText(fits ? absl::string_view(*info.etag) : absl::string_view(), out->etag,
           sizeof(out->etag));
}

}  // namespace objmapper::client
