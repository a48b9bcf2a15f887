// The tables from statuses to om_code, and texts cut to the caller's buffer at a whole UTF-8
// character.
#include "client/c/call.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "client/error.h"
#include "protocol/status.h"
#include "text/printable.h"

namespace objmapper::client {
namespace {

using Wire = protocol::Status;

constexpr std::pair<Wire, om_code> kCodes[] = {
    {Wire::kOk, OM_OK},
    {Wire::kNotFound, OM_NOT_FOUND},
    {Wire::kInvalidRequest, OM_INVALID},
    {Wire::kInvalidMode, OM_INVALID},
    {Wire::kUriTooLong, OM_INVALID},
    {Wire::kUnsupportedOp, OM_UNSUPPORTED},
    {Wire::kPermissionDenied, OM_PERMISSION_DENIED},
    {Wire::kRangeNotSatisfiable, OM_RANGE},
    {Wire::kTooLarge, OM_TOO_LARGE},
    {Wire::kConflict, OM_CONFLICT},
    {Wire::kPreconditionFailed, OM_PRECONDITION_FAILED},
    {Wire::kNotModified, OM_NOT_MODIFIED},
    {Wire::kInternalError, OM_SERVER},
    {Wire::kStorageError, OM_SERVER},
    {Wire::kOutOfMemory, OM_NO_MEMORY},
    {Wire::kTimeout, OM_TIMEOUT},
    {Wire::kUnavailable, OM_UNAVAILABLE},
    {Wire::kProtocolError, OM_PROTOCOL},
    {Wire::kVersionMismatch, OM_PROTOCOL},
    {Wire::kCapabilityError, OM_UNSUPPORTED},
};

om_code CodeOfAnswer(Wire status) {
  for (const auto& [wire, code] : kCodes) {
    if (wire == status) return code;
  }
  return OM_SERVER;
}

om_code CodeOfConnection(absl::StatusCode code) {
  if (code == absl::StatusCode::kDeadlineExceeded) return OM_TIMEOUT;
  return code == absl::StatusCode::kInternal ? OM_PROTOCOL : OM_CONNECTION;
}

om_code CodeOf(const absl::Status& status) {
  if (status.ok()) return OM_OK;
  const std::optional<protocol::Status> wire = WireStatusOf(status);
  if (wire.has_value()) return CodeOfAnswer(*wire);
  if (SourceOf(status) == ErrorSource::kConnection) return CodeOfConnection(status.code());
  if (absl::IsInvalidArgument(status)) return OM_INVALID;
  if (absl::IsOutOfRange(status)) return OM_TOO_LARGE;  // for om_options.bytes_max
  // A capability that this connection did not agree on.
  if (absl::IsFailedPrecondition(status)) return OM_UNSUPPORTED;
  return absl::IsResourceExhausted(status) ? OM_DESCRIPTORS_LOST : OM_LOCAL;
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

void Describe(const ObjectInfo& info, om_client* client, om_info* out) {
  client->last = info;
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

absl::Status Describe(const ObjectInfo& info, om_details* out) {
  // That of an older program ends before `stale`.
  const bool older = out->struct_bytes == offsetof(om_details, stale);
  if (!older && out->struct_bytes != sizeof(*out)) {
    return absl::InvalidArgumentError(absl::StrCat("om_details.struct_bytes is ", out->struct_bytes,
                                                   ", not sizeof(om_details), ", sizeof(*out)));
  }
  out->expires_s = info.expires_s.value_or(0);
  CopyText(text::Printable(info.mime.value_or("")), out->mime, sizeof(out->mime));
  if (!older) out->stale = info.stale ? 1 : 0;
  return absl::OkStatus();
}

}  // namespace objmapper::client
