// One request as every dialect's parser gives it, and as all that serve requests take it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "protocol/capabilities.h"
#include "protocol/mode.h"
#include "protocol/status.h"

namespace objmapper::protocol {

namespace http {
struct Ask;
}

// Request::reason (the pointer, not the text) of an OP_STAT whose URI is one NUL byte. No object
// has that name: whoever asks for it wants to know whether somebody answers, and its refusal is
// what is wanted.
inline constexpr char kPing[] = "a ping: the URI is a NUL byte, which no object's is";

// What a V2 request says of the version of its object, by its ETAG; empty: nothing.
struct Conditions {
  bool if_absent = false;     // to store: only if there is none
  std::string if_match;       // to store, to remove: only in place of this one
  std::string if_none_match;  // to read: only if it is another
};

// One request. `uri` points into the input given to Next().
struct Request {
  uint32_t id = 0;            // V1: 0
  uint8_t flags = 0;          // kFlag...; V1: 0
  Mode mode = Mode::kFdPass;  // may be a byte that is no mode: then refusal is kInvalidMode
  uint64_t offset = 0;        // with kFlagRange
  uint64_t length = 0;        // with kFlagRange; 0 means "to the end"
  uint64_t body_length = 0;   // kPut alone; the body follows, see SkipBody()
  uint32_t ttl_s = 0;         // kPut and kPutFd with kFlagMetadata: seconds to live; 0: for ever
  bool versions = false;      // V2: the answer says which version it is (kVersions)
  absl::string_view uri;
  // Null: there are none (HTTP has its own).
  std::shared_ptr<const Conditions> conditions;
  // Not kOk when the request must be refused although its frame was sound: the connection goes on.
  // `reason` is a static sentence for the ERROR metadata.
  Status refusal = Status::kOk;
  const char* reason = "";
  // When it was taken off its socket, CLOCK_MONOTONIC; for who took it to set, 0 from the parser.
  int64_t received_ns = 0;
  // For who refuses it with UNAVAILABLE: when it may come again, in milliseconds; 0: as for
  // anything.
  uint32_t retry_after_ms = 0;
  // Its object had to be loaded, from here or elsewhere, before it could be answered; for who
  // answers it to set.
  bool awaited = false;
  // A copy of `uri` that outlives the input, for who wants one; null from the parser.
  std::shared_ptr<const std::string> name;
  // The name that AUTH's token gives it (session/caller.h); null from the parser: none.
  std::shared_ptr<const std::string> caller;
  // HTTP: what else was said (protocol/http/ask.h); `uri` points into it. Null in V1 and V2.
  std::shared_ptr<const http::Ask> http;

  bool ordered() const { return (flags & kFlagOrdered) != 0; }
  bool priority() const { return (flags & kFlagPriority) != 0; }
  bool through() const { return (flags & kFlagThrough) != 0; }
  bool has_range() const { return (flags & kFlagRange) != 0; }
};

}  // namespace objmapper::protocol
