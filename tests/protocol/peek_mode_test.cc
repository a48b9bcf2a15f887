// RequestParser::PeekMode (protocol/objm/request_parser.h). That it agrees with Next() at every
// step of every stream is checked by TranscribeRequests(), which the other tests and the fuzzer
// run.
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/request_parser.h"
#include "tests/protocol/request_transcript.h"
#include "tests/protocol/sample_requests.h"

namespace objmapper::protocol {
namespace {

using Peek = RequestParser::Peek;

constexpr size_t kV2ModeAt = 6;  // type u8, id u32, flags u8

RequestParser V2Parser(uint16_t capabilities = kAllCapabilities) {
  RequestParser parser({});
  parser.Next(EncodedHello(capabilities, 0));
  return parser;
}

Peek PeekAt(const RequestParser& parser, absl::string_view input) {
  Mode ignored;
  return parser.PeekMode(input, &ignored);
}

// The mode is known from the byte that holds it on, never before, for every request.
TEST(PeekModeTest, KnowsTheModeFromItsByteOn) {
  for (const Dialect dialect : {Dialect::kV1, Dialect::kV2}) {
    const RequestParser parser = dialect == Dialect::kV2 ? V2Parser() : RequestParser({});
    const size_t mode_at = dialect == Dialect::kV2 ? kV2ModeAt : 0;
    for (const RequestToSend& sent : SampleRequests(dialect)) {
      const std::string bytes = Encoded(dialect, sent);
      for (size_t cut = 0; cut <= bytes.size(); ++cut) {
        Mode mode;
        const Peek peek = parser.PeekMode(absl::string_view(bytes.data(), cut), &mode);
        if (cut <= mode_at) {
          ASSERT_EQ(peek, Peek::kNeedMore) << cut;
        } else {
          ASSERT_EQ(peek, Peek::kKnown) << cut;
          ASSERT_EQ(mode, sent.mode);
        }
      }
    }
  }
}

// A look decides nothing, not even the dialect: only Next() does.
TEST(PeekModeTest, DecidesNothing) {
  RequestParser parser({});
  EXPECT_EQ(PeekAt(parser, "2"), Peek::kKnown);
  EXPECT_EQ(parser.dialect(), Dialect::kUnknown);
}

// What no lane is meant for belongs to any: HELLO, CLOSE, garbage, and requests that are refused
// for their mode or flags.
TEST(PeekModeTest, LeavesTheRestToAnyOwner) {
  const std::string hello = EncodedHello(kAllCapabilities, 0);
  for (size_t cut = 1; cut <= hello.size(); ++cut) {
    EXPECT_EQ(PeekAt(RequestParser({}), absl::string_view(hello.data(), cut)), Peek::kOther);
  }
  EXPECT_EQ(PeekAt(RequestParser({}), "?"), Peek::kOther);
  EXPECT_EQ(PeekAt(V2Parser(), "\x03"), Peek::kOther);
  EXPECT_EQ(PeekAt(V2Parser(), "\x07"), Peek::kOther);

  const RequestToSend ranged = {.mode = Mode::kCopy, .uri = "x", .flags = kFlagRange};
  EXPECT_EQ(PeekAt(V2Parser(kAllCapabilities & ~kRange), Encoded(Dialect::kV2, ranged)),
            Peek::kOther);
  const RequestToSend flagged = {.mode = Mode::kCopy, .uri = "x", .flags = 0x80};
  EXPECT_EQ(PeekAt(V2Parser(), Encoded(Dialect::kV2, flagged)), Peek::kOther);
  const RequestToSend modeless = {.mode = static_cast<Mode>('?'), .uri = "x"};
  EXPECT_EQ(PeekAt(V2Parser(), Encoded(Dialect::kV2, modeless)), Peek::kOther);
}

// While a body is being skipped, the look goes past it, to the request behind it.
TEST(PeekModeTest, LooksPastABodyToSkip) {
  const std::string body = "\x01\x03\x01\x03\x01";  // read as messages: a REQUEST, a CLOSE
  const std::string next = Encoded(Dialect::kV2, {.mode = Mode::kStat, .uri = "x"});
  const std::string stream = body + next;
  RequestParser parser = V2Parser();
  parser.SkipBody(body.size());
  for (size_t cut = 0; cut <= body.size() + kV2ModeAt; ++cut) {
    EXPECT_EQ(PeekAt(parser, absl::string_view(stream.data(), cut)), Peek::kNeedMore) << cut;
  }
  Mode mode;
  EXPECT_EQ(parser.PeekMode(stream, &mode), Peek::kKnown);
  EXPECT_EQ(mode, Mode::kStat);

  parser.SkipBody(~uint64_t{0});
  EXPECT_EQ(PeekAt(parser, stream), Peek::kNeedMore);
}

// Over a stream of all requests, good and refusable, look and reading agree at every byte.
TEST(PeekModeTest, AgreesWithNextOverAllMessages) {
  constexpr uint16_t kUnconditional = kAllCapabilities & ~kConditions;
  for (const uint16_t capabilities : {kAllCapabilities, kUnconditional, uint16_t{0}}) {
    std::string stream = EncodedHello(capabilities, 0);
    size_t requests = 0;
    for (int mode = 0; mode <= 0xFF; ++mode) {
      for (const uint8_t flags : {uint8_t{0}, kFlagRange, uint8_t{0x08}, uint8_t{0xFF}}) {
        const bool has_metadata = (capabilities & kConditions) != 0 &&
                                  IsMode(static_cast<uint8_t>(mode)) &&
                                  static_cast<Mode>(mode) != Mode::kList;
        AppendRequest(Dialect::kV2,
                      {.mode = static_cast<Mode>(mode),
                       .uri = "x",
                       .flags = flags,
                       .metadata = has_metadata ? absl::string_view("\x7E\0\0", 3) : ""},
                      &stream);
        ++requests;
      }
    }
    // TranscribeRequests() CHECK-fails where they disagree.
    EXPECT_EQ(TranscribeRequests(stream, {}, 1).size(), 1 + requests + 1);
  }
}

}  // namespace
}  // namespace objmapper::protocol
