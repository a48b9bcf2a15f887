// What the request parser makes of some bytes, as text that tests compare.
#include "tests/protocol/request_transcript.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace objmapper::protocol {
namespace {

using Kind = RequestParser::Kind;
using Peek = RequestParser::Peek;

// What PeekMode() said about the message at the front of an input.
struct Glance {
  Peek peek = Peek::kNeedMore;
  Mode mode = Mode::kFdPass;
};

// PeekMode() and Next() must tell one story about the same input.
void CheckAgreement(const Glance& glance, const RequestParser::Result& result) {
  const bool refused = result.request.refusal != Status::kOk;
  switch (glance.peek) {
    case Peek::kNeedMore:
      CHECK(result.kind == Kind::kNeedMore) << "Next() saw a message that PeekMode() did not";
      break;
    case Peek::kKnown:
      CHECK(result.kind != Kind::kHello && result.kind != Kind::kClose &&
            result.kind != Kind::kAuth)
          << "PeekMode() saw a request in what is none";
      if (result.kind == Kind::kFatal) {
        CHECK(result.status == Status::kUriTooLong || result.status == Status::kProtocolError);
      }
      if (result.kind == Kind::kRequest) CHECK(result.request.mode == glance.mode);
      break;
    case Peek::kOther:
      CHECK(result.kind != Kind::kRequest || refused) << "PeekMode() missed a good request";
      break;
  }
}

std::string Conditional(const Request& request) {
  if (request.conditions == nullptr) return request.versions ? " versions" : "";
  const Conditions& conditions = *request.conditions;
  return absl::StrCat(request.versions ? " versions" : "", conditions.if_absent ? " absent" : "",
                      " match=", absl::CHexEscape(conditions.if_match),
                      " none_match=", absl::CHexEscape(conditions.if_none_match));
}

void CheckBounds(bool was_skipping, size_t input_bytes, const RequestParser::Result& result) {
  CHECK_LE(result.consumed, input_bytes);
  if (result.kind == Kind::kNeedMore) {
    CHECK(result.consumed == 0 || was_skipping);
  } else if (result.kind != Kind::kFatal) {
    CHECK_GT(result.consumed, 0u);
  }
}

}  // namespace

std::string Describe(const RequestParser& parser, const RequestParser::Result& result) {
  switch (result.kind) {
    case Kind::kNeedMore:
      return "need more";
    case Kind::kHello:
      return absl::StrCat("hello capabilities=", parser.capabilities(),
                          " max_pipeline=", parser.max_pipeline());
    case Kind::kClose:
      return "close";
    case Kind::kAuth:
      return absl::StrCat("auth token=", absl::CHexEscape(result.token));
    case Kind::kFatal:
      // Without the reason: which sentence helps most depends on how much of a stranger's words
      // has come ("GET / HTTP/1.1" is told of after its first letter, if nothing else is there).
      return absl::StrCat("fatal id=", result.id, " ", StatusName(result.status));
    case Kind::kRequest:
      break;
  }
  const Request& request = result.request;
  return absl::StrCat(
      "request id=", request.id, " flags=", request.flags, " mode=", static_cast<int>(request.mode),
      " offset=", request.offset, " length=", request.length, " body=", request.body_length,
      " ttl=", request.ttl_s, Conditional(request), " uri=", absl::CHexEscape(request.uri), " ",
      StatusName(request.refusal), ": ", request.reason);
}

std::vector<std::string> TranscribeRequests(absl::string_view stream, RequestParser::Offer offer,
                                            size_t chunk_bytes) {
  RequestParser parser(offer);
  std::vector<std::string> lines;
  size_t begin = 0;  // the unread part of what has arrived is [begin, end)
  size_t end = 0;
  std::optional<Mode> promised;  // what PeekMode() said of the message at `begin`
  while (true) {
    // A buffer of exactly this size, so that AddressSanitizer sees a read past what has arrived.
    const std::vector<char> arrived(stream.begin() + begin, stream.begin() + end);
    const absl::string_view input(arrived.data(), arrived.size());

    Glance glance;
    glance.peek = parser.PeekMode(input, &glance.mode);
    if (promised.has_value()) {
      CHECK(glance.peek == Peek::kKnown && glance.mode == *promised)
          << "PeekMode() took back what it said with fewer bytes";
    }
    const bool was_skipping = parser.skipping();
    const RequestParser::Result result = parser.Next(input);
    CheckBounds(was_skipping, input.size(), result);
    CheckAgreement(glance, result);
    begin += result.consumed;

    if (result.kind == Kind::kNeedMore) {
      if (end == stream.size()) break;
      if (glance.peek == Peek::kKnown) promised = glance.mode;
      end = std::min(end + chunk_bytes, stream.size());
      continue;
    }
    promised.reset();
    lines.push_back(Describe(parser, result));
    if (result.kind == Kind::kClose || result.kind == Kind::kFatal) return lines;
    if (result.kind == Kind::kRequest) parser.SkipBody(result.request.body_length);
  }
  lines.push_back(absl::StrCat("unread ", end - begin, parser.skipping() ? " inside a body" : ""));
  return lines;
}

}  // namespace objmapper::protocol
