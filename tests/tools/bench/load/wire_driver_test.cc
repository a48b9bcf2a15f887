#include "tools/bench/load/wire_driver.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "tools/bench/load/dbus_message.h"

namespace objmapper::bench {
namespace {

using Kind = Head::Kind;

constexpr uint32_t kId = 7;

std::string Bytes(const char* text, size_t size) { return std::string(text, size); }
#define BYTES(literal) Bytes(literal, sizeof(literal) - 1)

// A reply to serial 7 with one descriptor: field REPLY_SERIAL, then UNIX_FDS, both u32.
const std::string kDbusReply = BYTES(
    "l\2\1\1\0\0\0\0\x09\0\0\0\x10\0\0\0"
    "\5\1u\0\7\0\0\0"
    "\x09\1u\0\1\0\0\0");

struct Canned {
  std::string name;
  std::unique_ptr<WireDriver> (*make)();
  Ask ask;
  std::string head;  // all of it
  bool ok;
  uint64_t body_bytes, trailer_bytes;
  bool brings_fd;
};

std::ostream& operator<<(std::ostream& out, const Canned& canned) { return out << canned.name; }

std::unique_ptr<WireDriver> V2() { return MakeObjmapperV2(true, true, false, 64); }

class CannedTest : public testing::TestWithParam<Canned> {};

// However few of its bytes have come, a head is not taken for another; whole, it says what it
// should, and what follows it does not matter.
TEST_P(CannedTest, ByteByByte) {
  const Canned& canned = GetParam();
  const std::unique_ptr<WireDriver> driver = canned.make();
  for (size_t size = 0; size < canned.head.size(); ++size) {
    const std::string part = canned.head.substr(0, size);
    const Head head = driver->Next(part, canned.ask, kId);
    EXPECT_EQ(head.kind, Kind::kNeedMore) << size << " bytes: " << head.message;
  }
  for (const std::string& behind : {std::string(), std::string("\r\n0123\r\n\r\n")}) {
    const std::string input = canned.head + behind;
    const Head head = driver->Next(input, canned.ask, kId);
    ASSERT_EQ(head.kind, Kind::kAnswer) << head.message;
    EXPECT_EQ(head.consumed, canned.head.size());
    EXPECT_EQ(head.ok, canned.ok);
    EXPECT_EQ(head.body_bytes, canned.body_bytes);
    EXPECT_EQ(head.trailer_bytes, canned.trailer_bytes);
    EXPECT_EQ(head.brings_fd, canned.brings_fd);
    EXPECT_EQ(head.message.empty(), head.ok);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, CannedTest,
    testing::Values(
        Canned{"v1_copy", MakeObjmapperV1, Ask::kCopy, BYTES("\0\0\0\0\0\0\0\1\2\0\0"), true, 258,
               0, false},
        Canned{"v1_fdpass", MakeObjmapperV1, Ask::kFdPass, BYTES("\0\0\0\0\0\0\0\0\0\0\0X"), true,
               0, 0, true},
        Canned{"v1_error", MakeObjmapperV1, Ask::kFdPass, BYTES("\1\0\0\0\0\0\0\0\0\0\0"), false, 0,
               0, false},
        Canned{"v2_copy", V2, Ask::kCopy, BYTES("\2\0\0\0\7\0\0\0\0\0\0\0\1\2\0\0"), true, 258, 0,
               false},
        Canned{"v2_fdpass", V2, Ask::kFdPass, BYTES("\2\0\0\0\7\0\0\0\0\0\0\0\1\2\0\0"), true, 0, 0,
               true},
        Canned{"v2_error", V2, Ask::kCopy, BYTES("\2\0\0\0\7\1\0\0\0\0\0\0\0\0\0\5\xff\0\2no"),
               false, 0, 0, false},
        Canned{"http", MakeHttp, Ask::kCopy,
               "HTTP/1.1 200 OK\r\nServer: x\r\ncontent-LENGTH: 12\r\nETag: \"1\"\r\n\r\n", true,
               12, 0, false},
        Canned{"http_404", MakeHttp, Ask::kCopy,
               "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n", false, 3, 0, false},
        // A head tells the length of a body that does not come.
        Canned{"http_head", MakeHttp, Ask::kHead, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n",
               true, 0, 0, false},
        Canned{"http_head_404", MakeHttp, Ask::kHead,
               "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n", false, 0, 0, false},
        Canned{"http_304", MakeHttp, Ask::kRevalidate,
               "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n", true, 0, 0, false},
        Canned{"http_not_304", MakeHttp, Ask::kRevalidate,
               "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", false, 12, 0, false},
        Canned{"http_304_unasked", MakeHttp, Ask::kCopy, "HTTP/1.1 304 Not Modified\r\n\r\n", false,
               0, 0, false},
        Canned{"http_created", MakeHttp, Ask::kPut,
               "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", true, 0, 0, false},
        Canned{"http_replaced", MakeHttp, Ask::kPut, "HTTP/1.1 204 No Content\r\n\r\n", true, 0, 0,
               false},
        Canned{"http_not_stored", MakeHttp, Ask::kPut,
               "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 4\r\n\r\n", false, 4, 0, false},
        Canned{"redis", MakeRedis, Ask::kCopy, "$12\r\n", true, 12, 2, false},
        Canned{"redis_nil", MakeRedis, Ask::kCopy, "$-1\r\n", false, 0, 0, false},
        Canned{"redis_error", MakeRedis, Ask::kCopy, "-ERR no\r\n", false, 0, 0, false},
        Canned{"memcached", MakeMemcached, Ask::kCopy, "VALUE k 0 12\r\n", true, 12, 7, false},
        Canned{"memcached_miss", MakeMemcached, Ask::kCopy, "END\r\n", false, 0, 0, false},
        Canned{"dbus", MakeDbus, Ask::kFdPass, kDbusReply, true, 0, 0, true}),
    [](const auto& info) { return info.param.name; });

struct Malformed {
  std::string name;
  std::unique_ptr<WireDriver> (*make)();
  std::string bytes;
};

std::ostream& operator<<(std::ostream& out, const Malformed& m) { return out << m.name; }

class MalformedTest : public testing::TestWithParam<Malformed> {};

// What is not the language is refused, with a reason.
TEST_P(MalformedTest, IsBroken) {
  const Head head = GetParam().make()->Next(GetParam().bytes, Ask::kFdPass, kId);
  EXPECT_EQ(head.kind, Kind::kBroken);
  EXPECT_FALSE(head.message.empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, MalformedTest,
    testing::Values(Malformed{"v1_status", MakeObjmapperV1, BYTES("\x77\0\0\0\0\0\0\0\0\0\0")},
                    Malformed{"v1_no_x", MakeObjmapperV1, BYTES("\0\0\0\0\0\0\0\0\0\0\0Y")},
                    Malformed{"v2_type", V2, BYTES("\x09\0\0\0\7")},
                    Malformed{"v2_other_id", V2, BYTES("\2\0\0\0\x08\0\0\0\0\0\0\0\1\2\0\0")},
                    Malformed{"http_not", MakeHttp, "SSH-2.0\r\n"},
                    Malformed{"http_chunked", MakeHttp,
                              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
                    Malformed{"http_no_length", MakeHttp, "HTTP/1.1 200 OK\r\n\r\n"},
                    Malformed{"http_length", MakeHttp,
                              "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"},
                    Malformed{"redis_type", MakeRedis, "+OK\r\n"},
                    Malformed{"redis_length", MakeRedis, "$x\r\n"},
                    Malformed{"memcached_word", MakeMemcached, "HELLO\r\n"},
                    Malformed{"memcached_length", MakeMemcached, "VALUE k 0 x\r\n"},
                    Malformed{"dbus_big_endian", MakeDbus, "B"},
                    Malformed{"dbus_field", MakeDbus,
                              BYTES("l\2\1\1\0\0\0\0\x09\0\0\0\x08\0\0\0"
                                    "\5\1s\0\xff\xff\xff\xff")}),
    [](const auto& info) { return info.param.name; });

// Each method has the fields that it needs, and no others.
TEST(HttpTest, Requests) {
  const std::unique_ptr<WireDriver> http = MakeHttp({{"a", "\"1-2\""}});
  const std::string host = " HTTP/1.1\r\nHost: localhost\r\n";
  EXPECT_EQ(http->Request(Ask::kCopy, "a", ""), "GET /a" + host + "\r\n");
  EXPECT_EQ(http->Request(Ask::kHead, "a", ""), "HEAD /a" + host + "\r\n");
  EXPECT_EQ(http->Request(Ask::kRevalidate, "a", ""),
            "GET /a" + host + "If-None-Match: \"1-2\"\r\n\r\n");
  EXPECT_EQ(http->Request(Ask::kPut, "a", "body"),
            "PUT /a" + host + "Content-Length: 4\r\n\r\nbody");
}

// What only one language has is not asked in another.
TEST(MakeWireDriverTest, RefusesWhatTheWireHasNot) {
  const auto code = [](Wire wire, Ask ask) {
    LoadOptions options;
    options.first = ask;
    return MakeWireDriver({.wire = wire}, options).status().code();
  };
  for (const Wire wire : {Wire::kObjmapper, Wire::kRedis, Wire::kMemcached}) {
    EXPECT_EQ(code(wire, Ask::kHead), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(code(wire, Ask::kRevalidate), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(code(wire, Ask::kPut), absl::StatusCode::kOk);
  }
  EXPECT_EQ(code(Wire::kHttp, Ask::kHead), absl::StatusCode::kOk);
  EXPECT_EQ(code(Wire::kHttp, Ask::kPut), absl::StatusCode::kOk);
  EXPECT_EQ(code(Wire::kHttp, Ask::kPutFd), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(Wire::kHttp, Ask::kFdPass), absl::StatusCode::kInvalidArgument);
}

// HELLO_ACK opens a V2 connection, unless it grants less than was asked for.
TEST(OpeningTest, V2) {
  const std::string ack =
      BYTES("OBJM\2\3\2\0\x40\1");  // FD_IN_HEADER, FD_BATCH, PIPELINING; 64 deep
  for (size_t size = 0; size < ack.size(); ++size) {
    EXPECT_EQ(V2()->NextOpening(ack.substr(0, size), 0).kind, Kind::kNeedMore);
  }
  EXPECT_EQ(V2()->NextOpening(ack, 0).kind, Kind::kAnswer);
  EXPECT_EQ(V2()->NextOpening(BYTES("OBJM\2\1\2\0\x40\1"), 0).kind, Kind::kBroken);
  EXPECT_EQ(V2()->NextOpening(BYTES("OBJM\2\3\2\0\x3f\1"), 0).kind, Kind::kBroken);
}

// A call written here is read here, and padded as the specification wants.
TEST(DbusMessageTest, CallIsWellFormed) {
  for (const std::string argument : {"", "a", "name1234"}) {
    const std::string call = MarshalCall({"a.b", "/", "c.d", "Open", argument}, 5);
    DbusMessage message;
    ASSERT_TRUE(ReadDbusMessage(call, &message));
    EXPECT_EQ(message.bytes, call.size());
    EXPECT_EQ(message.type, DbusMessage::kCall);
    EXPECT_EQ(call[kDbusSerialAt], 5);
  }
}

}  // namespace
}  // namespace objmapper::bench
