// The payloads of a Status that say where an error arose, and the table from wire statuses to
// codes.
#include "client/error.h"

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

absl::StatusCode CodeOf(protocol::Status status) {
  switch (status) {
    case protocol::Status::kOk:
      return absl::StatusCode::kOk;
    case protocol::Status::kNotFound:
      return absl::StatusCode::kNotFound;
    case protocol::Status::kInvalidRequest:
    case protocol::Status::kInvalidMode:
    case protocol::Status::kUriTooLong:
      return absl::StatusCode::kInvalidArgument;
    case protocol::Status::kUnsupportedOp:
      return absl::StatusCode::kUnimplemented;
    case protocol::Status::kPermissionDenied:
      return absl::StatusCode::kPermissionDenied;
    case protocol::Status::kRangeNotSatisfiable:
      return absl::StatusCode::kOutOfRange;
    case protocol::Status::kTooLarge:
    case protocol::Status::kVersionMismatch:
    case protocol::Status::kCapabilityError:
      return absl::StatusCode::kFailedPrecondition;
    case protocol::Status::kConflict:
      return absl::StatusCode::kAborted;
    case protocol::Status::kInternalError:
    case protocol::Status::kProtocolError:
      return absl::StatusCode::kInternal;
    case protocol::Status::kStorageError:
      return absl::StatusCode::kDataLoss;
    case protocol::Status::kOutOfMemory:
      return absl::StatusCode::kResourceExhausted;
    case protocol::Status::kTimeout:
      return absl::StatusCode::kDeadlineExceeded;
    case protocol::Status::kUnavailable:
      return absl::StatusCode::kUnavailable;
  }
  return absl::StatusCode::kUnknown;
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
  if (!byte.has_value()) return std::nullopt;
  return static_cast<protocol::Status>(*byte);
}

std::optional<absl::Duration> RetryAfter(const absl::Status& status) {
  const std::optional<uint32_t> ms = NumberIn(status, kRetryAfterPayload);
  if (!ms.has_value()) return std::nullopt;
  return absl::Milliseconds(*ms);
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
