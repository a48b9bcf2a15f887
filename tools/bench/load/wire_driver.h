// What differs between the languages that servers speak: how a connection opens, how a request is
// written, and where an answer's head ends and its body begins. Bodies never come here.
//
// A driver keeps nothing about a connection: it is handed the unread bytes from the start of a
// message each time, so how the kernel split them cannot matter. All methods: any thread, no
// allocation unless said otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/bench/load/endpoint.h"
#include "tools/bench/load/load.h"

namespace objmapper::bench {

// The longest head that a driver takes to be one; more bytes without an end are a broken answer.
inline constexpr size_t kHeadBytesMax = 32 * 1024;

// What stands at the front of the unread bytes.
struct Head {
  enum class Kind : uint8_t {
    kNeedMore,  // consumes nothing
    kAnswer,    // the head of an answer; while opening: the connection is open
    kNotice,    // a message that answers nothing; while opening: the next stage begins
    kGoAway,    // the server closes the connection in good order; what is unanswered may be asked
                // anew
    kBroken,    // not this language, or not what was asked for: `message` says what
  };
  Kind kind = Kind::kNeedMore;
  bool ok = true;  // the answer is what was asked for; else `message` has the server's words
  bool brings_fd = false;      // one descriptor belongs to this answer
  bool last = false;           // the server closes the connection after this answer
  size_t consumed = 0;         // bytes of the head
  uint64_t body_bytes = 0;     // of the object, following the head
  uint64_t trailer_bytes = 0;  // of framing, following the body
  absl::string_view message;   // into the input, or static
};

inline Head BrokenHead(absl::string_view message) {
  Head head;
  head.kind = Head::Kind::kBroken;
  head.message = message;
  return head;
}

class WireDriver {
 public:
  virtual ~WireDriver() = default;

  // What a new connection sends first; empty: it is open at once.
  virtual std::string Opening() const { return std::string(); }
  // Reads the answers to Opening(), one a stage, until one is kAnswer. `stage`: 0 and up.
  virtual Head NextOpening(absl::string_view input, int stage) const;

  // A request for `name`, with room for an id. Allocates: done once for each object.
  // body: what kPut stores; else empty.
  virtual std::string Request(Ask ask, absl::string_view name, absl::string_view body) const = 0;
  // Writes the request's id where the language has one. `id`: 2 and up.
  virtual void SetId(char* request, uint32_t id) const;

  // The head of the answer to the oldest unanswered request: `ask`, `id`.
  virtual Head Next(absl::string_view input, Ask ask, uint32_t id) const = 0;
};

// The driver for what `options` ask of `endpoint`. INVALID_ARGUMENT: it cannot be asked there; the
// message says why.
absl::StatusOr<std::unique_ptr<WireDriver>> MakeWireDriver(const Endpoint& endpoint,
                                                           const LoadOptions& options);

}  // namespace objmapper::bench
