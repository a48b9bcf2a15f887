// Where a failed call's error arose, and what the server said.
//
//   absl::StatusOr<FdObject> object = client.GetFd("models/a");
//   if (RetryAfter(object.status()).has_value()) ...   // UNAVAILABLE: ask again later
//
// A status from this library carries these facts as payloads, so they survive copies. All
// functions are thread-safe.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "protocol/mode.h"
#include "protocol/objm/metadata.h"
#include "protocol/status.h"

namespace objmapper::client {

enum class ErrorSource {
  kLocal,       // this machine's side: a bad argument, a full disk, no descriptors left
  kServer,      // the server answered with an error; the connection goes on
  kConnection,  // no connection, or it broke, or nothing came in time: make a new one
};

// kLocal for a status that did not come from this library.
ErrorSource SourceOf(const absl::Status& status);

// The status byte of the server's answer; nullopt unless the source is kServer.
std::optional<protocol::Status> WireStatusOf(const absl::Status& status);

// When the server wants to be asked again; nullopt when it did not say.
std::optional<absl::Duration> RetryAfter(const absl::Status& status);

// ---- For client/ itself ----

// The status for an answer that is not OK. The message is "<mode> "<uri>": <status name>: <text>".
//
//   NOT_FOUND            NOT_FOUND
//   INVALID_ARGUMENT     INVALID_REQUEST, INVALID_MODE, URI_TOO_LONG
//   UNIMPLEMENTED        UNSUPPORTED_OP
//   PERMISSION_DENIED    PERMISSION_DENIED
//   OUT_OF_RANGE         RANGE_NOT_SATISFIABLE
//   FAILED_PRECONDITION  TOO_LARGE, VERSION_MISMATCH, CAPABILITY_ERROR
//   FAILED_PRECONDITION  PRECONDITION_FAILED (WireStatusOf() tells it from those above)
//   ALREADY_EXISTS       NOT_MODIFIED: the caller has it
//   ABORTED              CONFLICT
//   INTERNAL             INTERNAL_ERROR, PROTOCOL_ERROR
//   DATA_LOSS            STORAGE_ERROR
//   RESOURCE_EXHAUSTED   OUT_OF_MEMORY
//   DEADLINE_EXCEEDED    TIMEOUT
//   UNAVAILABLE          UNAVAILABLE
//   UNKNOWN              a byte the protocol does not define
//
// what: what was asked, mostly WhatWasAsked().
absl::Status ServerError(protocol::Status status, absl::string_view what,
                         const protocol::Metadata& metadata);

// Marks `status` as the connection's. Returns it.
absl::Status ConnectionError(absl::Status status);

// `status` with "`what`: " before its message; the payloads stay.
absl::Status About(absl::string_view what, const absl::Status& status);

// `OP_COPY "models/a"`, fit for a message of one line: control bytes escaped, a long URI cut.
std::string WhatWasAsked(protocol::Mode mode, absl::string_view uri);

}  // namespace objmapper::client
