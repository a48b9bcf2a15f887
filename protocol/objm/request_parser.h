// The server's reader: bytes of one connection in, requests out.
//
//   RequestParser parser({.capabilities = kAllCapabilities, .max_pipeline = 64});
//   while (true) {
//     RequestParser::Result result = parser.Next(input);
//     input.remove_prefix(result.consumed);
//     if (result.kind == Kind::kNeedMore) break;   // keep `input`, read more
//     ...
//   }
//
// The parser keeps the dialect and what is left of a body to skip, nothing else: unread bytes stay
// with the caller, which offers them again from the first one not consumed. It never looks past
// what it needs, so the caller may stop after any message and hand the rest to somebody else.
// Not thread-safe; copyable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "protocol/capabilities.h"
#include "protocol/dialect.h"
#include "protocol/mode.h"
#include "protocol/request.h"
#include "protocol/status.h"

namespace objmapper::protocol {

class RequestParser {
 public:
  // What this side offers in HELLO_ACK.
  struct Offer {
    uint16_t capabilities = kAllCapabilities;
    uint16_t max_pipeline = 64;  // 1 or more
  };

  enum class Kind : uint8_t {
    kNeedMore,  // no whole message in the input; consumed may still be positive (a skipped body)
    kHello,     // V2's opening; answer it with EncodeHelloAck(capabilities(), max_pipeline())
    kRequest,   // result.request
    kAuth,      // whose the requests behind it are: result.token
    kClose,     // the client said CLOSE; what follows it is not to be read
    kFatal,     // the stream's position is lost, or it must end: answer `status` and hang up
  };

  struct Result {
    Kind kind = Kind::kNeedMore;
    size_t consumed = 0;      // bytes of the input that this call is done with
    Request request;          // kRequest
    absl::string_view token;  // kAuth; may be empty. Points into the input. Never to be shown
    // kFatal: what to answer, with `id` when the request had one (else 0). Static sentence.
    Status status = Status::kOk;
    const char* reason = "";
    uint32_t id = 0;
  };

  explicit RequestParser(Offer offer) : offer_(offer), max_pipeline_(offer.max_pipeline) {}

  // Takes the next message off the front of `input`, which may be empty.
  //
  // Refusals (kRequest with refusal, the connection goes on), the first that applies: a mode byte
  // that is none (INVALID_MODE; V1: only after the first request), unknown flag bits (so is
  // METADATA without its capability, with LIST, or without the CONDITIONS capability with a mode
  // that stores nothing), RANGE flag without the RANGE capability (CAPABILITY_ERROR), empty URI
  // (but for V2's LIST, whose prefix may be empty), NUL in a URI (but for LIST, which joins prefix
  // and cursor with one), metadata that is unsound, a TTL of 0, conditions without CONDITIONS
  // (CAPABILITY_ERROR), or that are not for the mode or contradict each other. Those without a
  // status here are INVALID_REQUEST. A refused kPut has its body_length too. Fatal: first byte
  // neither 'O' nor a mode (INVALID_MODE), wrong magic or version (VERSION_MISMATCH, seen at the
  // first wrong byte), unknown V2 message type (PROTOCOL_ERROR; so is AUTH without its capability),
  // URI over kUriBytesMax (URI_TOO_LONG, as soon as the length is read), metadata over
  // kMetadataBytesMax or a token over kTokenBytesMax (PROTOCOL_ERROR, likewise). After kFatal or
  // kClose, Next() must not be called again.
  Result Next(absl::string_view input);

  // The mode byte of the request at the front of `input`, without taking it: the router's view.
  // kNeedMore: it has not arrived yet. kKnown: `mode`; what follows it may still make the request
  // refusable or fatal. kOther: the front is no request (HELLO, AUTH, CLOSE, an error) or one that
  // its flags or mode make refusable; any owner can answer it. A body to skip is looked past.
  enum class Peek : uint8_t { kNeedMore, kKnown, kOther };
  Peek PeekMode(absl::string_view input, Mode* mode) const;

  // Makes Next() drop the `bytes` that follow (the body of a PUT that is refused).
  void SkipBody(uint64_t bytes) { skip_ = bytes; }
  bool skipping() const { return skip_ != 0; }
  // Bytes that Next() will drop before it looks at anything.
  uint64_t to_skip() const { return skip_; }

  // All that it keeps between messages, to go on elsewhere: Restore() in a parser of the same
  // offer.
  struct State {
    Dialect dialect = Dialect::kUnknown;
    uint16_t capabilities = 0;
    uint16_t max_pipeline = 1;
    uint64_t to_skip = 0;
  };
  State state() const { return {dialect_, capabilities_, max_pipeline_, skip_}; }
  void Restore(const State& state) {
    dialect_ = state.dialect;
    capabilities_ = state.capabilities;
    max_pipeline_ = state.max_pipeline;
    skip_ = state.to_skip;
  }

  // kUnknown until a V1 mode byte or the whole of HELLO has been seen, so that an error before that
  // is encoded as the V1 error which the protocol wants there.
  Dialect dialect() const { return dialect_; }
  // Negotiated; 0 for V1 and before HELLO. kFdBatch comes with kFdInHeader set too.
  uint16_t capabilities() const { return capabilities_; }
  bool Has(uint16_t capability) const { return (capabilities_ & capability) != 0; }
  // The most requests that may be outstanding: the smaller of both sides'; before HELLO the offer.
  uint16_t max_pipeline() const { return max_pipeline_; }

 private:
  // Each reads the message at the front of `input`, which is not empty, into `result`, which is as
  // it was constructed and stays so when there is no whole message.
  void NextV1(absl::string_view input, Result* result);
  void NextHello(absl::string_view input, Result* result);
  void NextV2(absl::string_view input, Result* result);
  void NextAuth(absl::string_view input, Result* result);
  // Whether all `flags` mean something for a V2 request of `mode` on this connection.
  bool KnowsFlags(uint8_t mode, uint8_t flags) const;
  // Whether METADATA makes metadata part of the frame of a request of `mode`.
  bool MayHaveMetadata(uint8_t mode) const;

  Offer offer_;
  Dialect dialect_ = Dialect::kUnknown;
  uint16_t capabilities_ = 0;
  uint16_t max_pipeline_;
  uint64_t skip_ = 0;
};

}  // namespace objmapper::protocol
