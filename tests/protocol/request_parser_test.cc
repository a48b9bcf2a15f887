// The parser reads what the encoder writes, in any pieces, and refuses everything else.
#include "protocol/objm/request_parser.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "protocol/objm/encode.h"
#include "tests/protocol/request_transcript.h"
#include "tests/protocol/sample_requests.h"

namespace objmapper::protocol {
namespace {

using Kind = RequestParser::Kind;

// A parser that is ready for a request in `dialect`, with all capabilities.
RequestParser ParserFor(Dialect dialect) {
  RequestParser parser({});
  if (dialect == Dialect::kV2) parser.Next(EncodedHello(kAllCapabilities, 0));
  return parser;
}

// The bytes of CLOSE.
std::string EncodedClose() {
  char close[kCloseBytes];
  const size_t bytes = EncodeClose(CloseReason::kNormal, close);
  return std::string(close, bytes);
}

class RequestParserTest : public testing::TestWithParam<Dialect> {};
INSTANTIATE_TEST_SUITE_P(Dialects, RequestParserTest, testing::Values(Dialect::kV1, Dialect::kV2),
                         [](const testing::TestParamInfo<Dialect>& info) {
                           return info.param == Dialect::kV1 ? "V1" : "V2";
                         });

// What AppendRequest() writes, Next() reads, field by field, and takes nothing after it.
TEST_P(RequestParserTest, ReadsWhatTheEncoderWrites) {
  for (const RequestToSend& sent : SampleRequests(GetParam())) {
    const std::string bytes = Encoded(GetParam(), sent);
    RequestParser parser = ParserFor(GetParam());
    const std::string followed = absl::StrCat(bytes, "next");
    const RequestParser::Result result = parser.Next(followed);
    ASSERT_EQ(result.kind, Kind::kRequest);
    EXPECT_EQ(result.consumed, bytes.size());
    const Request& got = result.request;
    EXPECT_EQ(got.refusal, Status::kOk) << got.reason;
    EXPECT_EQ(got.mode, sent.mode);
    EXPECT_EQ(got.uri, sent.uri);
    EXPECT_EQ(got.id, sent.id);
    EXPECT_EQ(got.flags, sent.flags);
    EXPECT_EQ(got.ordered(), (sent.flags & kFlagOrdered) != 0);
    EXPECT_EQ(got.priority(), (sent.flags & kFlagPriority) != 0);
    EXPECT_EQ(got.has_range(), (sent.flags & kFlagRange) != 0);
    EXPECT_EQ(got.offset, sent.offset);
    EXPECT_EQ(got.length, sent.length);
    EXPECT_EQ(got.body_length, sent.body_length);
    EXPECT_EQ(got.ttl_s, sent.metadata.empty() ? 0u : 1u);
    EXPECT_EQ(parser.dialect(), GetParam());
  }
}

// The URI is a view into the input: reading a request copies nothing.
TEST_P(RequestParserTest, TheUriPointsIntoTheInput) {
  const std::string bytes = Encoded(GetParam(), {.mode = Mode::kCopy, .uri = "model.bin"});
  RequestParser parser = ParserFor(GetParam());
  const RequestParser::Result result = parser.Next(bytes);
  ASSERT_EQ(result.kind, Kind::kRequest);
  EXPECT_EQ(result.request.uri.data() + result.request.uri.size(), bytes.data() + bytes.size());
}

// Every proper prefix of every request is kNeedMore and consumes nothing.
TEST_P(RequestParserTest, ATruncatedRequestIsNeitherReadNorConsumed) {
  const RequestParser ready = ParserFor(GetParam());
  for (const RequestToSend& sent : SampleRequests(GetParam())) {
    const std::string bytes = Encoded(GetParam(), sent);
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      RequestParser parser = ready;
      const RequestParser::Result result = parser.Next(absl::string_view(bytes.data(), cut));
      ASSERT_EQ(result.kind, Kind::kNeedMore) << cut << " of " << bytes.size() << " bytes";
      ASSERT_EQ(result.consumed, 0u);
    }
  }
}

// Every proper prefix of HELLO is kNeedMore, consumes nothing and decides nothing.
TEST(RequestParserV2Test, ATruncatedHelloIsNeitherReadNorConsumed) {
  const std::string bytes = EncodedHello(kAllCapabilities, 7);
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    RequestParser parser({.max_pipeline = 64});
    const RequestParser::Result result = parser.Next(absl::string_view(bytes.data(), cut));
    EXPECT_EQ(result.kind, Kind::kNeedMore);
    EXPECT_EQ(result.consumed, 0u);
    EXPECT_EQ(parser.dialect(), Dialect::kUnknown);
    EXPECT_EQ(parser.capabilities(), 0);
    EXPECT_EQ(parser.max_pipeline(), 64);
  }
}

// CLOSE is two bytes; one byte of it is kNeedMore.
TEST(RequestParserV2Test, ReadsClose) {
  const std::string bytes = EncodedClose();
  RequestParser parser = ParserFor(Dialect::kV2);
  const RequestParser::Result half = parser.Next(absl::string_view(bytes.data(), 1));
  EXPECT_EQ(half.kind, Kind::kNeedMore);
  EXPECT_EQ(half.consumed, 0u);
  const RequestParser::Result whole = parser.Next(bytes);
  EXPECT_EQ(whole.kind, Kind::kClose);
  EXPECT_EQ(whole.consumed, kCloseBytes);
}

// How the bytes are cut on the way changes nothing: one by one, or all at once.
TEST_P(RequestParserTest, AnyChunkingGivesTheSameMessages) {
  std::string stream;
  size_t messages = 0;
  if (GetParam() == Dialect::kV2) {
    stream += EncodedHello(kAllCapabilities, 0);
    ++messages;
  }
  for (const RequestToSend& sent : SampleRequests(GetParam())) {
    if (sent.uri.size() == kUriBytesMax && sent.flags != kFlagRange) continue;  // keeps it short
    stream += Encoded(GetParam(), sent);
    stream.append(sent.body_length, 'B');
    ++messages;
  }
  if (GetParam() == Dialect::kV2) {
    stream += EncodedClose();
    ++messages;
  }
  const std::vector<std::string> whole = TranscribeRequests(stream, {}, stream.size());
  EXPECT_EQ(whole.size(), GetParam() == Dialect::kV2 ? messages : messages + 1);  // "unread 0"
  for (const size_t chunk_bytes : {1, 2, 3, 8, 61, 4096}) {
    EXPECT_EQ(TranscribeRequests(stream, {}, chunk_bytes), whole) << chunk_bytes;
  }
}

// SkipBody() drops exactly as many bytes as it was told, over as many calls as it takes, and the
// request behind the body is read as if there had been none.
TEST(RequestParserV2Test, SkipsABodyOfAnyLength) {
  const std::string next = Encoded(Dialect::kV2, {.mode = Mode::kStat, .uri = "x", .id = 9});
  for (const size_t body_bytes : {0, 1, 2, 1000}) {
    const std::string stream = std::string(body_bytes, '\x03') + next;  // 0x03 would be CLOSE
    for (size_t cut = 0; cut < stream.size(); ++cut) {
      RequestParser parser = ParserFor(Dialect::kV2);
      parser.SkipBody(body_bytes);
      const absl::string_view first(stream.data(), cut);
      const RequestParser::Result half = parser.Next(first);
      ASSERT_EQ(half.kind, Kind::kNeedMore);
      ASSERT_EQ(half.consumed, std::min(cut, body_bytes));
      ASSERT_EQ(parser.skipping(), cut < body_bytes);
      const RequestParser::Result whole =
          parser.Next(absl::string_view(stream).substr(half.consumed));
      ASSERT_EQ(whole.kind, Kind::kRequest);
      ASSERT_EQ(half.consumed + whole.consumed, stream.size());
      ASSERT_EQ(whole.request.id, 9u);
    }
  }
}

// A body longer than memory is skipped all the same: the count is 64 bits wide.
TEST(RequestParserV2Test, SkipsTowardsTheEndOfAHugeBody) {
  RequestParser parser = ParserFor(Dialect::kV2);
  parser.SkipBody(~uint64_t{0});
  const std::string bytes(4096, 'B');
  for (int i = 0; i < 3; ++i) {
    const RequestParser::Result result = parser.Next(bytes);
    EXPECT_EQ(result.kind, Kind::kNeedMore);
    EXPECT_EQ(result.consumed, bytes.size());
    EXPECT_TRUE(parser.skipping());
  }
}

// The first byte alone tells V1; V2 is told by the whole HELLO, so that until then errors go out
// in V1, which is what the protocol answers a broken HELLO with.
TEST(RequestParserDialectTest, IsKnownAsSoonAsItCanBe) {
  RequestParser v1({});
  v1.Next("S");
  EXPECT_EQ(v1.dialect(), Dialect::kV1);

  RequestParser v2({});
  const std::string hello = EncodedHello(kAllCapabilities, 0);
  v2.Next(absl::string_view(hello.data(), kHelloBytes - 1));
  EXPECT_EQ(v2.dialect(), Dialect::kUnknown);
  v2.Next(hello);
  EXPECT_EQ(v2.dialect(), Dialect::kV2);
}

}  // namespace
}  // namespace objmapper::protocol
