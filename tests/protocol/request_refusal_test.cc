// What RequestParser refuses and what it gives up on (protocol/objm/request_parser.h).
#include <cstdint>
#include <string>

#include "gtest/gtest.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/request_parser.h"
#include "tests/protocol/sample_requests.h"

namespace objmapper::protocol {
namespace {

using Kind = RequestParser::Kind;
using namespace std::string_literals;

constexpr uint32_t kId = 0x0A0B0C0D;

// A V2 request with `flags` and the raw byte `mode`.
std::string V2Request(int mode, int flags, absl::string_view uri) {
  return Encoded(Dialect::kV2, {.mode = static_cast<Mode>(mode),
                                .uri = uri,
                                .id = kId,
                                .flags = static_cast<uint8_t>(flags),
                                .offset = 5,
                                .length = 6,
                                .body_length = 3});
}

std::string V1Request(int mode, absl::string_view uri) {
  return Encoded(Dialect::kV1, {.mode = static_cast<Mode>(mode), .uri = uri});
}

// A parser that has read HELLO and agreed on `capabilities`.
RequestParser V2Parser(uint16_t capabilities = kAllCapabilities) {
  RequestParser parser({});
  parser.Next(EncodedHello(capabilities, 0));
  return parser;
}

// A parser that has read one V1 request.
RequestParser V1Parser() {
  RequestParser parser({});
  parser.Next(V1Request('2', "x"));
  return parser;
}

// `bytes` are one request that `parser` refuses with `status`, and the request behind it is read:
// the refused one's frame, and its body if it has one, were understood.
void ExpectRefused(RequestParser parser, const std::string& bytes, Status status) {
  const std::string good =
      parser.dialect() == Dialect::kV2 ? V2Request('S', 0, "good") : V1Request('S', "good");
  const RequestParser::Result result = parser.Next(bytes + good);
  ASSERT_EQ(result.kind, Kind::kRequest);
  EXPECT_EQ(result.request.refusal, status);
  EXPECT_STRNE(result.request.reason, "");
  EXPECT_EQ(result.consumed, bytes.size());
  EXPECT_EQ(result.request.id, parser.dialect() == Dialect::kV2 ? kId : 0);
  const RequestParser::Result next = parser.Next(good);
  ASSERT_EQ(next.kind, Kind::kRequest);
  EXPECT_EQ(next.request.refusal, Status::kOk) << next.request.reason;
  EXPECT_EQ(next.request.uri, "good");
}

// `parser` gives up on `bytes` with `status` and `id` at exactly the last byte, not before, and
// says the same when more has arrived.
void ExpectFatal(const RequestParser& parser, const std::string& bytes, Status status,
                 uint32_t id = 0) {
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    RequestParser fresh = parser;
    EXPECT_EQ(fresh.Next(absl::string_view(bytes.data(), cut)).kind, Kind::kNeedMore) << cut;
  }
  for (const std::string& arrived : {bytes, bytes + "more than enough to read on"}) {
    RequestParser fresh = parser;
    const RequestParser::Result result = fresh.Next(arrived);
    ASSERT_EQ(result.kind, Kind::kFatal);
    EXPECT_EQ(result.status, status) << StatusName(result.status);
    EXPECT_EQ(result.id, id);
    EXPECT_STRNE(result.reason, "");
    EXPECT_EQ(result.consumed, 0u);
    // An error before the end of HELLO goes out in V1.
    EXPECT_EQ(fresh.dialect() == Dialect::kV2, parser.dialect() == Dialect::kV2);
  }
}

// An empty URI names nothing; only V2's LIST, whose URI is a prefix, may send one.
TEST(RequestRefusalTest, AnEmptyUri) {
  for (const char mode : "123SWFD"s) {
    ExpectRefused(V2Parser(), V2Request(mode, 0, ""), Status::kInvalidRequest);
    ExpectRefused(V2Parser(), V2Request(mode, kFlagRange, ""), Status::kInvalidRequest);
    ExpectRefused(V1Parser(), V1Request(mode, ""), Status::kInvalidRequest);
  }
  ExpectRefused(V1Parser(), V1Request('L', ""), Status::kInvalidRequest);
  RequestParser parser = V2Parser();
  const RequestParser::Result list = parser.Next(V2Request('L', 0, ""));
  ASSERT_EQ(list.kind, Kind::kRequest);
  EXPECT_EQ(list.request.refusal, Status::kOk) << list.request.reason;
}

// The very first V1 request may be refused without ending the connection.
TEST(RequestRefusalTest, AnEmptyUriInTheFirstRequest) {
  RequestParser parser({});
  const RequestParser::Result result = parser.Next(V1Request('1', ""));
  ASSERT_EQ(result.kind, Kind::kRequest);
  EXPECT_EQ(result.request.refusal, Status::kInvalidRequest);
  EXPECT_EQ(parser.Next(V1Request('1', "x")).request.refusal, Status::kOk);
}

// A NUL would end the path inside the kernel, so it is refused wherever it stands; only LIST may
// send one, between prefix and cursor.
TEST(RequestRefusalTest, ANulInTheUri) {
  for (const std::string& uri : {"\0"s, "\0a"s, "a\0b"s, "a\0"s}) {
    for (const char mode : "123SWFD"s) {
      ExpectRefused(V2Parser(), V2Request(mode, 0, uri), Status::kInvalidRequest);
      ExpectRefused(V1Parser(), V1Request(mode, uri), Status::kInvalidRequest);
    }
    RequestParser parser = V2Parser();
    EXPECT_EQ(parser.Next(V2Request('L', 0, uri)).request.refusal, Status::kOk);
  }
}

// Each flag bit that the protocol does not define is refused, alone and beside those it does; the
// frame follows the bits that are known.
TEST(RequestRefusalTest, UnknownFlagBits) {
  for (int flags = kAllFlags + 1; flags <= 0xFF; ++flags) {
    for (const char mode : "1WL"s) {
      ExpectRefused(V2Parser(kAllCapabilities & ~kConditions), V2Request(mode, flags, "x"),
                    Status::kInvalidRequest);
    }
  }
}

// RANGE without the capability is refused, but its 16 bytes are part of the frame.
TEST(RequestRefusalTest, RangeThatWasNotNegotiated) {
  for (const char mode : "123SWFDL"s) {
    ExpectRefused(V2Parser(kAllCapabilities & ~kRange), V2Request(mode, kFlagRange, "x"),
                  Status::kCapabilityError);
  }
}

// THROUGH is for LIST alone, and where it was agreed on.
TEST(RequestRefusalTest, ThroughWhereItMeansNothing) {
  for (const char mode : "123SWFD"s)
    ExpectRefused(V2Parser(), V2Request(mode, kFlagThrough, "x"), Status::kInvalidRequest);
  ExpectRefused(V2Parser(kAllCapabilities & ~kListThrough), V2Request('L', kFlagThrough, "x"),
                Status::kCapabilityError);
  RequestParser parser = V2Parser();
  const Request request = parser.Next(V2Request('L', kFlagThrough, "x")).request;
  EXPECT_EQ(request.refusal, Status::kOk);
  EXPECT_TRUE(request.through());
}

// METADATA is refused as an unknown flag is: without its capability, with LIST, and without
// CONDITIONS with every mode that stores nothing. Only a mode that stores has the fields,
// negotiated or not; the others have them with CONDITIONS.
TEST(RequestRefusalTest, MetadataWhereItMeansNothing) {
  ExpectRefused(V2Parser(), V2Request('L', kFlagMetadata, "x"), Status::kInvalidRequest);
  for (const char mode : "123SDL"s) {
    ExpectRefused(V2Parser(kAllCapabilities & ~kConditions), V2Request(mode, kFlagMetadata, "x"),
                  Status::kInvalidRequest);
  }
  const RequestParser old = V2Parser(kAllCapabilities & ~kMetadata & ~kConditions);
  for (const char mode : "WF"s) {
    ExpectRefused(old, V2Request(mode, kFlagMetadata, "x"), Status::kInvalidRequest);
  }
}

std::string WithMetadata(Mode mode, const std::string& metadata) {
  return Encoded(
      Dialect::kV2,
      {.mode = mode, .uri = "x", .id = kId, .flags = kFlagMetadata, .metadata = metadata});
}

// Conditions that were not negotiated are refused rather than skipped: the client relies on them.
TEST(RequestRefusalTest, ConditionsThatWereNotNegotiated) {
  for (const Mode mode : {Mode::kPut, Mode::kPutFd}) {
    for (const std::string& condition : {"\x14\0\1e"s, "\x15\0\0"s, "\x16\0\1e"s}) {
      ExpectRefused(V2Parser(kAllCapabilities & ~kConditions), WithMetadata(mode, condition),
                    Status::kCapabilityError);
    }
  }
}

// Conditions that are not for the mode, contradict each other, or name no etag are refused.
TEST(RequestRefusalTest, ConditionsThatMeanNothing) {
  const std::string absent = "\x15\0\0"s;
  const auto refuses = [](Mode mode, const std::string& metadata) {
    ExpectRefused(V2Parser(), WithMetadata(mode, metadata), Status::kInvalidRequest);
  };
  for (const Mode mode : {Mode::kFdPass, Mode::kCopy, Mode::kSplice, Mode::kStat}) {
    refuses(mode, "\x14\0\1e"s);
    refuses(mode, absent);
    refuses(mode, "\x16\0\0"s);
    refuses(mode, "\x16\0\x41"s + std::string(65, 'e'));
  }
  for (const Mode mode : {Mode::kPut, Mode::kPutFd}) {
    refuses(mode, "\x16\0\1e"s);
    refuses(mode, absent + "\x14\0\1e"s);
    refuses(mode, "\x14\0\0"s);
    refuses(mode, "\x15\0\1e"s);
  }
  refuses(Mode::kDelete, absent);
  refuses(Mode::kDelete, "\x16\0\1e"s);
}

// Conditions come out as they went in.
TEST(RequestRefusalTest, ConditionsThatMeanSomething) {
  const auto conditions = [](Mode mode, const std::string& metadata) {
    const RequestParser::Result result = V2Parser().Next(WithMetadata(mode, metadata));
    EXPECT_EQ(result.request.refusal, Status::kOk) << result.request.reason;
    return result.request.conditions != nullptr ? *result.request.conditions : Conditions();
  };
  EXPECT_EQ(conditions(Mode::kPut, "\x14\0\2e1"s).if_match, "e1");
  EXPECT_EQ(conditions(Mode::kDelete, "\x14\0\2e1"s).if_match, "e1");
  EXPECT_TRUE(conditions(Mode::kPutFd, "\x15\0\0"s).if_absent);
  for (const Mode mode : {Mode::kFdPass, Mode::kCopy, Mode::kSplice, Mode::kStat})
    EXPECT_EQ(conditions(mode, "\x16\0\2e1"s).if_none_match, "e1");
  EXPECT_EQ(V2Parser().Next(WithMetadata(Mode::kPut, "")).request.conditions, nullptr);
}

// Whether versions are told is the connection's.
TEST(RequestRefusalTest, VersionsAreAskedForInHello) {
  EXPECT_TRUE(V2Parser().Next(V2Request('2', 0, "x")).request.versions);
  EXPECT_FALSE(V2Parser(kFreeCapabilities).Next(V2Request('2', 0, "x")).request.versions);
  EXPECT_FALSE(V1Parser().Next(V1Request('2', "x")).request.versions);
}

// Metadata that is cut short, of a wrong size, or asks for no time at all is refused, and skipped.
TEST(RequestRefusalTest, UnsoundMetadata) {
  for (const std::string& metadata :
       {"\x13"s, "\x13\0\4\0\0"s, "\x13\0\3\0\0\1"s, "\x13\0\4\0\0\0\0"s}) {
    for (const Mode mode : {Mode::kPut, Mode::kPutFd}) {
      ExpectRefused(
          V2Parser(),
          Encoded(
              Dialect::kV2,
              {.mode = mode, .uri = "x", .id = kId, .flags = kFlagMetadata, .metadata = metadata}),
          Status::kInvalidRequest);
    }
  }
}

// More metadata than a request may carry is not read: it is known from its length.
TEST(RequestFatalTest, MetadataThatIsTooLong) {
  ExpectFatal(V2Parser(),
              "\1\x0A\x0B\x0C\x0D\x08"
              "F\0\1\4\1"s,
              Status::kProtocolError, kId);
  ExpectFatal(V2Parser(), "\1\x0A\x0B\x0C\x0D\x08W\0\1\0\0\0\0\0\0\0\0\xFF\xFF"s,
              Status::kProtocolError, kId);
}

// A byte that is no mode is refused in V2 always, in V1 once a request has told the dialect.
TEST(RequestRefusalTest, AnUnknownMode) {
  for (int mode = 0; mode <= 0xFF; ++mode) {
    if (IsMode(static_cast<uint8_t>(mode))) continue;
    for (const int flags : {0, static_cast<int>(kFlagRange), 0xFF}) {
      ExpectRefused(V2Parser(), V2Request(mode, flags, "x"), Status::kInvalidMode);
    }
    ExpectRefused(V1Parser(), V1Request(mode, "x"), Status::kInvalidMode);
    ExpectRefused(V1Parser(), V1Request(mode, ""), Status::kInvalidMode);
  }
}

// A refused PUT still says how long its body is, so that the server can skip it.
TEST(RequestRefusalTest, KeepsTheBodyLength) {
  RequestParser parser = V2Parser();
  const RequestParser::Result result = parser.Next(V2Request('W', 0x80, "x"));
  EXPECT_EQ(result.request.refusal, Status::kInvalidRequest);
  EXPECT_EQ(result.request.body_length, 3u);
}

// A connection that opens with neither a mode nor 'O' is not ours.
TEST(RequestFatalTest, AnUnknownFirstByte) {
  for (int byte = 0; byte <= 0xFF; ++byte) {
    if (IsMode(static_cast<uint8_t>(byte)) || byte == 'O') continue;
    ExpectFatal(RequestParser({}), std::string(1, static_cast<char>(byte)), Status::kInvalidMode);
  }
}

// Who speaks something well known is told so, in a whole sentence; a ping is recognized by its
// refusal.
TEST(RequestFatalTest, SaysWhatItIs) {
  const auto why = [](absl::string_view bytes) {
    return std::string(RequestParser({}).Next(bytes).reason);
  };
  for (const char* http :
       {"GET / HTTP/1.1\r\n", "HEAD / HTTP/1.1\r\n", "POST /x HTTP/1.0\r\n", "PUT /x HTTP/1.1\r\n",
        "DELETE /x HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}) {
    EXPECT_NE(why(http).find("this is HTTP"), std::string::npos) << http;
  }
  EXPECT_NE(why("\x16\x03\x01\x02"s).find("this is TLS"), std::string::npos);
  EXPECT_NE(why("\x7f").find("not objmapper's protocol"), std::string::npos);
  EXPECT_NE(why("OBJX").find("magic"), std::string::npos);
  const auto is_ping = [](int mode, absl::string_view uri) {
    return V1Parser().Next(V1Request(mode, uri)).request.reason == kPing;
  };
  EXPECT_TRUE(is_ping('S', "\0"s));
  EXPECT_FALSE(is_ping('S', "a\0"s));
  EXPECT_FALSE(is_ping('2', "\0"s));
}

// A wrong magic or version is seen at its first wrong byte: a client that waits for an answer after
// those bytes gets one.
TEST(RequestFatalTest, AWrongMagicOrVersion) {
  const std::string opening = "OBJM\2";
  for (size_t wrong = 1; wrong < opening.size(); ++wrong) {
    for (int byte = 0; byte <= 0xFF; ++byte) {
      if (static_cast<char>(byte) == opening[wrong]) continue;
      ExpectFatal(RequestParser({}), opening.substr(0, wrong) + static_cast<char>(byte),
                  Status::kVersionMismatch);
    }
  }
}

// After HELLO only REQUEST and CLOSE may come; any other type loses the stream's position.
TEST(RequestFatalTest, AnUnknownMessageType) {
  for (int type = 0; type <= 0xFF; ++type) {
    if (type == 0x01 || type == 0x03 || type == 0x05) continue;  // request, CLOSE, AUTH
    ExpectFatal(V2Parser(), std::string(1, static_cast<char>(type)), Status::kProtocolError);
  }
}

// A URI over 4096 bytes is not read: the error comes with the length field, and names the request.
TEST(RequestFatalTest, AUriThatIsTooLong) {
  for (const std::string& length : {"\x10\x01"s, "\xFF\xFF"s}) {
    for (const char mode : "123SWFDL"s) {
      ExpectFatal(RequestParser({}), mode + length, Status::kUriTooLong);
      ExpectFatal(V1Parser(), mode + length, Status::kUriTooLong);
      ExpectFatal(V2Parser(), "\x01\x0A\x0B\x0C\x0D"s + '\x04' + mode + length, Status::kUriTooLong,
                  kId);
    }
    ExpectFatal(V1Parser(), '?' + length, Status::kUriTooLong);
    ExpectFatal(V2Parser(), "\x01\x0A\x0B\x0C\x0D\xFF?"s + length, Status::kUriTooLong, kId);
  }
}

}  // namespace
}  // namespace objmapper::protocol
