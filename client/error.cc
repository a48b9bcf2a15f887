// The payloads of a Status that say where an error arose, and the table from wire statuses to
// codes.
#include "client/error.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "text/printable.h"

namespace objmapper::client {
namespace {

constexpr absl::string_view kWireStatusPayload = "objmapper/wire-status";
constexpr absl::string_view kRetryAfterPayload = "objmapper/retry-after-ms";
constexpr absl::string_view kConnectionPayload = "objmapper/connection";

constexpr size_t kUriBytesInMessage = 256;

using Wire = protocol::Status;
using Code = absl::StatusCode;

constexpr std::pair<Wire, Code> kCodes[] = {
    {Wire::kOk, Code::kOk},
    {Wire::kNotFound, Code::kNotFound},
    {Wire::kInvalidRequest, Code::kInvalidArgument},
    {Wire::kInvalidMode, Code::kInvalidArgument},
    {Wire::kUriTooLong, Code::kInvalidArgument},
    {Wire::kUnsupportedOp, Code::kUnimplemented},
    {Wire::kPermissionDenied, Code::kPermissionDenied},
    {Wire::kRangeNotSatisfiable, Code::kOutOfRange},
    {Wire::kTooLarge, Code::kFailedPrecondition},
    {Wire::kConflict, Code::kAborted},
    {Wire::kPreconditionFailed, Code::kFailedPrecondition},
    {Wire::kNotModified, Code::kAlreadyExists},
    {Wire::kInternalError, Code::kInternal},
    {Wire::kStorageError, Code::kDataLoss},
    {Wire::kOutOfMemory, Code::kResourceExhausted},
    {Wire::kTimeout, Code::kDeadlineExceeded},
    {Wire::kUnavailable, Code::kUnavailable},
    {Wire::kProtocolError, Code::kInternal},
    {Wire::kVersionMismatch, Code::kFailedPrecondition},
    {Wire::kCapabilityError, Code::kFailedPrecondition},
};

Code CodeOf(Wire status) {
  for (const auto& [wire, code] : kCodes) {
    if (wire == status) return code;
  }
  return Code::kUnknown;
}

std::optional<uint32_t> NumberIn(const absl::Status& status, absl::string_view payload) {
  const absl::optional<absl::Cord> text = status.GetPayload(payload);
  uint32_t number = 0;
  if (!text.has_value() || !absl::SimpleAtoi(std::string(*text), &number)) return std::nullopt;
  return number;
}

}  // namespace

ErrorSource SourceOf(const absl::Status& status) {
  if (status.GetPayload(kConnectionPayload).has_value()) return ErrorSource::kConnection;
  return WireStatusOf(status).has_value() ? ErrorSource::kServer : ErrorSource::kLocal;
}

std::optional<protocol::Status> WireStatusOf(const absl::Status& status) {
  const std::optional<uint32_t> byte = NumberIn(status, kWireStatusPayload);
  return byte.has_value() ? std::optional(static_cast<Wire>(*byte)) : std::nullopt;
}

std::optional<absl::Duration> RetryAfter(const absl::Status& status) {
  const std::optional<uint32_t> ms = NumberIn(status, kRetryAfterPayload);
  return ms.has_value() ? std::optional(absl::Milliseconds(*ms)) : std::nullopt;
}

absl::Status ServerError(protocol::Status status, absl::string_view what,
                         const protocol::Metadata& metadata) {
  std::string message = absl::StrCat(what, ": ", protocol::StatusName(status));
  if (metadata.error.has_value()) {
    absl::StrAppend(&message, ": ", text::Printable(*metadata.error));
  }
  absl::Status result(CodeOf(status), message);
  result.SetPayload(kWireStatusPayload, absl::Cord(absl::StrCat(static_cast<uint8_t>(status))));
  if (metadata.retry_after_ms.has_value()) {
    result.SetPayload(kRetryAfterPayload, absl::Cord(absl::StrCat(*metadata.retry_after_ms)));
  }
  return result;
}

absl::Status ConnectionError(absl::Status status) {
  if (!status.ok()) status.SetPayload(kConnectionPayload, absl::Cord("1"));
  return status;
}

absl::Status About(absl::string_view what, const absl::Status& status) {
  absl::Status result(status.code(), absl::StrCat(what, ": ", status.message()));
  status.ForEachPayload(
      [&result](absl::string_view key, const absl::Cord& value) { result.SetPayload(key, value); });
  return result;
}

std::string WhatWasAsked(protocol::Mode mode, absl::string_view uri) {
  const bool cut = uri.size() > kUriBytesInMessage;
  return absl::StrCat(protocol::ModeName(mode), " \"",
                      text::Printable(uri.substr(0, kUriBytesInMessage)), cut ? "...\"" : "\"");
}

}  // namespace objmapper::client
