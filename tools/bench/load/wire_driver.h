// What differs between the languages that servers speak: how a connection opens, how a request is
// written, and where an answer's head ends and its body begins. Bodies never come here.
//
// A driver keeps nothing about a connection: it is handed the unread bytes from the start of a
// message each time, so how the kernel split them cannot matter. All methods: any thread, no
// allocation unless said otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
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

inline Head AnswerHead(size_t consumed) {
  Head head;
  head.kind = Head::Kind::kAnswer;
  head.consumed = consumed;
  return head;
}

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
  // Reads the answers to Opening(), one a stage, until one is kAnswer. The stages are 0 and up.
  virtual Head NextOpening(absl::string_view, int) const {
    return BrokenHead("the server speaks first");
  }

  // A request for `name`, with room for an id. Allocates: done once for each object.
  // body: what kPut stores; else empty.
  virtual std::string Request(Ask ask, absl::string_view name, absl::string_view body) const = 0;
  // Writes the id, 2 and up, into a request where the language has one.
  virtual void SetId(char*, uint32_t) const {}

  // The head of the answer to the oldest unanswered request: `ask`, `id`.
  virtual Head Next(absl::string_view input, Ask ask, uint32_t id) const = 0;
};

// The driver for what `options` ask of `endpoint`. INVALID_ARGUMENT: it cannot be asked there; the
// message says why. For Ask::kRevalidate the server is asked for its objects' ETags; what
// EntityTags() returns goes wrong then.
absl::StatusOr<std::unique_ptr<WireDriver>> MakeWireDriver(const Endpoint& endpoint,
                                                           const LoadOptions& options);

// ---- The languages ----

// objmapper's own protocol, and what floors speak of it (docs/protocol.md).
// V1: no opening; a descriptor comes on a byte 'X' after the header.
std::unique_ptr<WireDriver> MakeObjmapperV1();
// V2 with PIPELINING, on Unix sockets FD_IN_HEADER and, with `batch`, FD_BATCH, and OBJECT_OPS with
// `stores`. A server that grants less than that, or fewer than `depth` outstanding requests, is a
// broken answer to the opening.
std::unique_ptr<WireDriver> MakeObjmapperV2(bool descriptors, bool batch, bool stores,
                                            uint16_t depth);

// HTTP/1.1, persistent, as much as GET, HEAD and PUT of static files need (RFC 9112). Answers that
// have a body must have a Content-Length; chunked ones are broken answers.
std::unique_ptr<WireDriver> MakeHttp();
// With these objects' ETags, by their names, for Ask::kRevalidate.
std::unique_ptr<WireDriver> MakeHttp(std::map<std::string, std::string> tags);

// redis's protocol, RESP2, as much as GET and SET need.
std::unique_ptr<WireDriver> MakeRedis();

// memcached's text protocol, as much as "get" and "set" need.
std::unique_ptr<WireDriver> MakeMemcached();

// A method call on a bus, Open(s) -> h, by sd-bus's wire format: what passing descriptors costs
// there. Destination and interface org.objmapper.Bench, path /, member Open. Opens with SASL
// EXTERNAL as this process's user, descriptor passing, and Hello.
std::unique_ptr<WireDriver> MakeDbus();

}  // namespace objmapper::bench
