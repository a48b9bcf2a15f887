// AUTH: encoder and parser (protocol/objm/), by round trip, by every truncation, and refused.
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "protocol/limits.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/request_parser.h"
#include "tests/protocol/sample_requests.h"

namespace objmapper::protocol {
namespace {

using Kind = RequestParser::Kind;

RequestParser V2Parser(uint16_t capabilities = kAllCapabilities) {
  RequestParser parser({.capabilities = capabilities});
  parser.Next(EncodedHello(kAllCapabilities, 0));
  return parser;
}
std::string Auth(const std::string& token) {
  std::string bytes;
  AppendAuth(token, &bytes);
  return bytes;
}

TEST(AuthTest, Bytes) {
  EXPECT_EQ(Auth("abc"), std::string("\x05\x00\x03"
                                     "abc",
                                     6));
  EXPECT_EQ(Auth(""), std::string("\x05\x00\x00", 3));
}

// A token of every size, of any bytes, comes out as it went in, once it is whole; nothing of what
// stands behind it is taken.
TEST(AuthTest, RoundTrip) {
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{22}, size_t{255}, size_t{256}, kTokenBytesMax}) {
    std::string token(size, '\0');
    for (size_t i = 0; i < size; ++i) token[i] = static_cast<char>(i * 7);
    const std::string whole = Auth(token);
    RequestParser parser = V2Parser();
    for (size_t part = 0; part < whole.size(); ++part) {
      const RequestParser::Result result = parser.Next(whole.substr(0, part));
      ASSERT_EQ(result.kind, Kind::kNeedMore) << part;
      ASSERT_EQ(result.consumed, 0u) << part;
    }
    const std::string input = whole + Encoded(Dialect::kV2, {.mode = Mode::kCopy, .uri = "x"});
    const RequestParser::Result result = parser.Next(input);
    ASSERT_EQ(result.kind, Kind::kAuth);
    EXPECT_EQ(result.consumed, whole.size());
    EXPECT_EQ(result.token, token);
    const RequestParser::Result next = parser.Next(input.substr(result.consumed));
    EXPECT_EQ(next.kind, Kind::kRequest);
    EXPECT_EQ(next.request.refusal, Status::kOk);
  }
}

// What is to be dropped before it is dropped.
TEST(AuthTest, BehindABodyThatIsSkipped) {
  RequestParser parser = V2Parser();
  parser.SkipBody(3);
  const std::string input = "abc" + Auth("secret");
  const RequestParser::Result result = parser.Next(input);
  ASSERT_EQ(result.kind, Kind::kAuth);
  EXPECT_EQ(result.token, "secret");
  EXPECT_EQ(result.consumed, input.size());
}

// It is no request: the router takes it for nobody's mode, however much of it has come.
TEST(AuthTest, HasNoMode) {
  const std::string whole = Auth("secret");
  for (size_t part = 1; part <= whole.size(); ++part) {
    Mode mode;
    EXPECT_EQ(V2Parser().PeekMode(whole.substr(0, part), &mode), RequestParser::Peek::kOther);
  }
}

// One that is too long ends the connection as soon as its length is known.
TEST(AuthTest, TooLong) {
  for (const uint16_t length : {uint16_t{kTokenBytesMax + 1}, uint16_t{0xFFFF}}) {
    const std::string header = {'\x05', static_cast<char>(length >> 8), static_cast<char>(length)};
    EXPECT_EQ(V2Parser().Next(header.substr(0, 2)).kind, Kind::kNeedMore);
    const RequestParser::Result result = V2Parser().Next(header);
    ASSERT_EQ(result.kind, Kind::kFatal) << length;
    EXPECT_EQ(result.status, Status::kProtocolError);
    EXPECT_TRUE(absl::StrContains(result.reason, "longer than 4096")) << result.reason;
  }
}

// Whose the requests behind it are must not be left open: where it was not agreed on, its first
// byte ends the connection. So it does before HELLO, where it is no message at all.
TEST(AuthTest, NotNegotiated) {
  const RequestParser::Result result =
      V2Parser(kAllCapabilities & ~kAuth).Next(absl::string_view("\x05", 1));
  ASSERT_EQ(result.kind, Kind::kFatal);
  EXPECT_EQ(result.status, Status::kProtocolError);
  EXPECT_TRUE(absl::StrContains(result.reason, "AUTH")) << result.reason;
  EXPECT_EQ(RequestParser({}).Next(Auth("secret")).kind, Kind::kFatal);
}

// It is not offered in V1's stead, nor asked for by a client that has no need of it.
TEST(AuthTest, IsNotFree) { EXPECT_EQ(kFreeCapabilities & kAuth, 0); }

}  // namespace
}  // namespace objmapper::protocol
