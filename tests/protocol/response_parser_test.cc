// The client's parser reads what the encoder writes, in any pieces, and refuses everything else.
#include "protocol/objm/response_parser.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "protocol/objm/encode.h"
#include "tests/protocol/response_transcript.h"

namespace objmapper::protocol {
namespace {

using Kind = ResponseParser::Kind;
using namespace std::string_literals;

constexpr uint16_t kCapabilities = kPipelining | kRange;

std::string HelloAck() {
  char bytes[kHelloAckBytes];
  return std::string(bytes, EncodeHelloAck(kCapabilities, 300, 8, bytes));
}

std::string Close(CloseReason reason) {
  char bytes[kCloseBytes];
  return std::string(bytes, EncodeClose(reason, bytes));
}

std::string CloseAck(uint32_t outstanding) {
  char bytes[kCloseAckBytes];
  return std::string(bytes, EncodeCloseAck(outstanding, bytes));
}

std::string Encoded(Dialect dialect, const Response& response) {
  char bytes[kResponseBytesMax];
  return std::string(bytes, EncodeResponse(dialect, response.id, response.status,
                                           response.content_length, response.metadata, bytes));
}

// Responses of every shape: empty, with little and with the most metadata, of extreme lengths.
std::vector<Response> SampleResponses(Dialect dialect) {
  static const std::string* const kFullest = new std::string(kMetadataBytesMax, '\xAB');
  const uint32_t id = dialect == Dialect::kV2 ? 0xFEDCBA98 : 0;
  return {{.id = id},
          {.id = id, .content_length = 7, .metadata = "\x05\0\1\3"},
          {.id = id, .content_length = std::numeric_limits<uint64_t>::max()},
          {.id = id, .status = Status::kNotFound, .metadata = *kFullest},
          {.id = id, .status = static_cast<Status>(0xEE)}};
}

// A parser that is ready for a response in `dialect`.
ResponseParser ParserFor(Dialect dialect) {
  ResponseParser parser(dialect);
  if (dialect == Dialect::kV2) parser.Next(HelloAck());
  return parser;
}

// Every proper prefix of `bytes` is kNeedMore and consumes nothing; `bytes` are one message.
void ExpectOneMessage(const ResponseParser& parser, const std::string& bytes, Kind kind) {
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    ResponseParser fresh = parser;
    const ResponseParser::Result result = fresh.Next(absl::string_view(bytes.data(), cut));
    ASSERT_EQ(result.kind, Kind::kNeedMore) << cut << " of " << bytes.size() << " bytes";
    ASSERT_EQ(result.consumed, 0u);
  }
  ResponseParser fresh = parser;
  const ResponseParser::Result whole = fresh.Next(bytes + "next");
  EXPECT_EQ(whole.kind, kind) << whole.reason;
  EXPECT_EQ(whole.consumed, bytes.size());
}

// `parser` finds `bytes` broken at exactly the last byte, not before.
void ExpectBroken(const ResponseParser& parser, const std::string& bytes) {
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    ResponseParser fresh = parser;
    EXPECT_EQ(fresh.Next(absl::string_view(bytes.data(), cut)).kind, Kind::kNeedMore) << cut;
  }
  for (const std::string& arrived : {bytes, bytes + "more than enough to read on"}) {
    ResponseParser fresh = parser;
    const ResponseParser::Result result = fresh.Next(arrived);
    EXPECT_EQ(result.kind, Kind::kBroken);
    EXPECT_EQ(result.consumed, 0u);
    EXPECT_STRNE(result.reason, "");
  }
}

class ResponseParserTest : public testing::TestWithParam<Dialect> {};
INSTANTIATE_TEST_SUITE_P(Dialects, ResponseParserTest, testing::Values(Dialect::kV1, Dialect::kV2),
                         [](const testing::TestParamInfo<Dialect>& info) {
                           return info.param == Dialect::kV1 ? "V1" : "V2";
                         });

// What EncodeResponse() writes, Next() reads, field by field; a status that this build does not
// know is handed on, for the client to name.
TEST_P(ResponseParserTest, ReadsWhatTheEncoderWrites) {
  for (const Response& sent : SampleResponses(GetParam())) {
    const std::string bytes = Encoded(GetParam(), sent);
    ResponseParser parser = ParserFor(GetParam());
    const ResponseParser::Result result = parser.Next(bytes);
    ASSERT_EQ(result.kind, Kind::kResponse);
    EXPECT_EQ(result.response.id, sent.id);
    EXPECT_EQ(result.response.status, sent.status);
    EXPECT_EQ(result.response.content_length, sent.content_length);
    EXPECT_EQ(result.response.metadata, sent.metadata);
  }
}

// Every proper prefix of every response is kNeedMore and consumes nothing.
TEST_P(ResponseParserTest, ATruncatedResponseIsNeitherReadNorConsumed) {
  for (const Response& sent : SampleResponses(GetParam())) {
    ExpectOneMessage(ParserFor(GetParam()), Encoded(GetParam(), sent), Kind::kResponse);
  }
}

// A server that announces more metadata than the protocol allows is not waited for.
TEST_P(ResponseParserTest, TooMuchMetadataIsBroken) {
  const std::string prefix = GetParam() == Dialect::kV2 ? "\x02\0\0\0\1"s : ""s;
  const std::string status_and_length(9, '\0');
  ExpectBroken(ParserFor(GetParam()), prefix + status_and_length + "\x04\x01");
  ExpectBroken(ParserFor(GetParam()), prefix + status_and_length + "\xFF\xFF");
}

// How the bytes are cut on the way changes nothing: one by one, or all at once.
TEST_P(ResponseParserTest, AnyChunkingGivesTheSameMessages) {
  std::string stream;
  size_t messages = 0;
  if (GetParam() == Dialect::kV2) {
    stream += HelloAck();
    ++messages;
  }
  for (Response sent : SampleResponses(GetParam())) {
    sent.content_length %= 100;
    stream += Encoded(GetParam(), sent);
    stream.append(sent.content_length, 'B');
    ++messages;
  }
  if (GetParam() == Dialect::kV2) {
    stream += Close(CloseReason::kIdleTimeout) + CloseAck(2);
    messages += 2;
  }
  const std::vector<std::string> whole = TranscribeResponses(stream, GetParam(), stream.size());
  EXPECT_EQ(whole.size(), messages + 1);
  EXPECT_EQ(whole.back(), "unread 0");
  for (const size_t chunk_bytes : {1, 2, 3, 8, 61}) {
    EXPECT_EQ(TranscribeResponses(stream, GetParam(), chunk_bytes), whole) << chunk_bytes;
  }
}

// HELLO_ACK carries three numbers.
TEST(ResponseParserV2Test, ReadsHelloAck) {
  ResponseParser parser(Dialect::kV2);
  const ResponseParser::Result result = parser.Next(HelloAck());
  EXPECT_EQ(result.kind, Kind::kHelloAck);
  EXPECT_EQ(result.capabilities, kCapabilities);
  EXPECT_EQ(result.max_pipeline, 300);
  EXPECT_EQ(result.parallelism, 8);
  ExpectOneMessage(ResponseParser(Dialect::kV2), HelloAck(), Kind::kHelloAck);
}

// CLOSE tells its reason, CLOSE_ACK how much was outstanding.
TEST(ResponseParserV2Test, ReadsTheEnd) {
  for (const CloseReason reason : {CloseReason::kNormal, CloseReason::kIdleTimeout,
                                   CloseReason::kProtocolError, CloseReason::kShuttingDown}) {
    EXPECT_EQ(ParserFor(Dialect::kV2).Next(Close(reason)).close_reason, reason);
    ExpectOneMessage(ParserFor(Dialect::kV2), Close(reason), Kind::kClose);
  }
  EXPECT_EQ(ParserFor(Dialect::kV2).Next(CloseAck(0x01020304)).outstanding, 0x01020304u);
  ExpectOneMessage(ParserFor(Dialect::kV2), CloseAck(1), Kind::kCloseAck);
}

// A server that cannot speak V2 with us, or has no room, says so in V1 where HELLO_ACK would stand.
TEST(ResponseParserV2Test, ReadsAV1ErrorInPlaceOfHelloAck) {
  for (int byte = 1; byte <= 0xFF; ++byte) {
    if (!IsStatus(static_cast<uint8_t>(byte))) continue;
    char bytes[kResponseBytesMax];
    const Status status = static_cast<Status>(byte);
    const std::string error(bytes, EncodeError(Dialect::kUnknown, 0, status, "no", 5, bytes));
    ResponseParser parser(Dialect::kV2);
    const ResponseParser::Result result = parser.Next(error);
    EXPECT_EQ(result.kind, Kind::kResponse);
    EXPECT_EQ(result.response.status, status);
    EXPECT_EQ(result.response.id, 0u);
    EXPECT_EQ(parser.Next(error).kind, Kind::kResponse) << "an error is no HELLO_ACK";
    ExpectOneMessage(ResponseParser(Dialect::kV2), error, Kind::kResponse);
  }
}

// Whatever else opens a V2 connection is another protocol, told at the first wrong byte.
TEST(ResponseParserV2Test, AnythingElseInPlaceOfHelloAckIsBroken) {
  for (int byte = 0; byte <= 0xFF; ++byte) {
    if (byte == 'O' || (byte != 0 && IsStatus(static_cast<uint8_t>(byte)))) continue;
    ExpectBroken(ResponseParser(Dialect::kV2), std::string(1, static_cast<char>(byte)));
  }
  for (const char* opening : {"X", "OX", "OBX", "OBJX", "OBJM\1", "OBJM\3"}) {
    ExpectBroken(ResponseParser(Dialect::kV2), opening);
  }
}

// After HELLO_ACK a server sends RESPONSE, CLOSE and CLOSE_ACK; any other type is broken.
TEST(ResponseParserV2Test, AnUnknownTypeIsBroken) {
  for (int type = 0; type <= 0xFF; ++type) {
    if (type >= 0x02 && type <= 0x04) continue;
    ExpectBroken(ParserFor(Dialect::kV2), std::string(1, static_cast<char>(type)));
  }
}

}  // namespace
}  // namespace objmapper::protocol
