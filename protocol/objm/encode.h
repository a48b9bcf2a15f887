// Encoders of both sides' messages. Each writes at `out` and returns the number of bytes written;
// `out` has room for the size named in protocol/limits.h. No allocation; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "protocol/capabilities.h"
#include "protocol/dialect.h"
#include "protocol/limits.h"
#include "protocol/mode.h"
#include "protocol/status.h"

namespace objmapper::protocol {

inline constexpr size_t kResponseBytesMax = kV2ResponseHeaderBytes + kMetadataBytesMax;

// ---- The server's ----

// A RESPONSE header and its metadata, in `dialect`; kUnknown is written as V1 (a peer that has said
// nothing understandable gets a V1 error). `id` is V2's alone. `out`: kResponseBytesMax.
// `metadata`: at most kMetadataBytesMax, from MetadataWriter.
size_t EncodeResponse(Dialect dialect, uint32_t id, Status status, uint64_t content_length,
                      absl::string_view metadata, char* out);

// The same for an answer other than OK: content_length 0, metadata ERROR `message`, and
// RETRY_AFTER when `retry_after_ms` is not 0.
size_t EncodeError(Dialect dialect, uint32_t id, Status status, absl::string_view message,
                   uint32_t retry_after_ms, char* out);

// One object in the body of a LIST answer.
struct ListedObject {
  absl::string_view uri;  // at most kUriBytesMax
  uint64_t size = 0;
  uint64_t mtime_s = 0;  // since the epoch
};
// Appends it to `body`.
void AppendListEntry(const ListedObject& object, std::string* body);

// `parallelism`: how many requests this server works on at once, for the client's information.
size_t EncodeHelloAck(uint16_t capabilities, uint16_t max_pipeline, uint8_t parallelism, char* out);

size_t EncodeCloseAck(uint32_t outstanding, char* out);

// ---- Both sides' ----

size_t EncodeClose(CloseReason reason, char* out);

// ---- The client's ----

size_t EncodeHello(uint16_t capabilities, uint16_t max_pipeline, char* out);

// Appends AUTH to `out`: what is asked behind it is asked by whoever has this token; empty: by
// nobody in particular. token: at most kTokenBytesMax.
void AppendAuth(absl::string_view token, std::string* out);

// What a client asks. `uri`: at most kUriBytesMax, borrowed for the call.
struct RequestToSend {
  Mode mode = Mode::kCopy;
  absl::string_view uri;
  uint32_t id = 0;           // V2
  uint8_t flags = 0;         // V2; kFlagRange makes offset and length go out
  uint64_t offset = 0;       // V2
  uint64_t length = 0;       // V2; 0 means "to the end"
  uint64_t body_length = 0;  // V2, kPut alone
  // V2, goes out with kFlagMetadata; from MetadataWriter. Modes but kPut and kPutFd: not if empty.
  absl::string_view metadata;
};

// Appends the request's bytes to `out`. V1 sends mode and URI alone.
void AppendRequest(Dialect dialect, const RequestToSend& request, std::string* out);

}  // namespace objmapper::protocol
