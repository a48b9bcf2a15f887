// The client's reader: bytes of one connection in, the server's messages out.
//
// Bodies are not parsed: after kResponse the next content_length bytes (COPY, SPLICE, LIST; never
// FDPASS or STAT) belong to the caller, which knows what it asked and resumes Next() after them.
// Not thread-safe; copyable.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "protocol/capabilities.h"
#include "protocol/dialect.h"
#include "protocol/status.h"

namespace objmapper::protocol {

// `metadata` points into the input given to Next().
struct Response {
  uint32_t id = 0;  // V1: 0
  Status status = Status::kOk;
  uint64_t content_length = 0;
  absl::string_view metadata;
};

class ResponseParser {
 public:
  enum class Kind : uint8_t {
    kNeedMore,
    kHelloAck,  // capabilities, max_pipeline, parallelism
    kResponse,
    kClose,     // the server is closing: close_reason
    kCloseAck,  // outstanding
    kBroken,    // not this protocol: `reason`
  };

  struct Result {
    Kind kind = Kind::kNeedMore;
    size_t consumed = 0;
    Response response;
    uint16_t capabilities = 0;
    uint16_t max_pipeline = 0;
    uint8_t parallelism = 0;
    CloseReason close_reason = CloseReason::kNormal;
    uint32_t outstanding = 0;
    const char* reason = "";
  };

  // kV1: every message is a V1 response. kV2: HELLO_ACK comes first; in its place a server may
  // answer a V1 error (VERSION_MISMATCH, UNAVAILABLE), which is returned as kResponse with id 0.
  explicit ResponseParser(Dialect dialect) : dialect_(dialect) {}

  // Takes the next message off the front of `input`. kNeedMore consumes nothing.
  // A metadata_length over kMetadataBytesMax, an unknown message type or a wrong magic is kBroken.
  Result Next(absl::string_view input);

 private:
  Dialect dialect_;
  bool acknowledged_ = false;  // V2: HELLO_ACK has been taken
};

}  // namespace objmapper::protocol
