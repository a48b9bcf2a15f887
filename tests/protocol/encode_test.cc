// The encoders' bytes, written out by hand from docs/protocol.md.
#include "protocol/objm/encode.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "protocol/objm/metadata.h"

namespace objmapper::protocol {
namespace {

using namespace std::string_literals;

std::string Response(Dialect dialect, Status status, uint64_t content_length,
                     absl::string_view metadata) {
  char out[kResponseBytesMax];
  return std::string(out,
                     EncodeResponse(dialect, 0x01020304, status, content_length, metadata, out));
}

std::string Error(Dialect dialect, absl::string_view message, uint32_t retry_after_ms) {
  char out[kResponseBytesMax];
  return std::string(
      out, EncodeError(dialect, 0x01020304, Status::kUnavailable, message, retry_after_ms, out));
}

std::string Request(Dialect dialect, const RequestToSend& request) {
  std::string out = "kept";
  AppendRequest(dialect, request, &out);
  EXPECT_EQ(out.substr(0, 4), "kept") << "AppendRequest() appends";
  return out.substr(4);
}

// status u8 | content_length u64 | metadata_length u16 | metadata, behind type and id in V2.
TEST(EncodeTest, Response) {
  const std::string v1 = "\x05\x11\x12\x13\x14\x15\x16\x17\x18\0\3abc"s;
  EXPECT_EQ(Response(Dialect::kV1, Status::kUnsupportedOp, 0x1112131415161718, "abc"), v1);
  EXPECT_EQ(Response(Dialect::kUnknown, Status::kUnsupportedOp, 0x1112131415161718, "abc"), v1);
  EXPECT_EQ(Response(Dialect::kV2, Status::kUnsupportedOp, 0x1112131415161718, "abc"),
            "\2\1\2\3\4" + v1);
  EXPECT_EQ(Response(Dialect::kV1, Status::kOk, 0, "").size(), kV1ResponseHeaderBytes);
  EXPECT_EQ(Response(Dialect::kV2, Status::kOk, 0, "").size(), kV2ResponseHeaderBytes);
}

// The longest response fills exactly the room that the callers provide.
TEST(EncodeTest, TheLongestResponse) {
  const std::string metadata(kMetadataBytesMax, 'm');
  EXPECT_EQ(Response(Dialect::kV2, Status::kOk, 1, metadata).size(), kResponseBytesMax);
  EXPECT_EQ(Error(Dialect::kV2, std::string(5000, 'e'), 1).size(), kResponseBytesMax);
}

// An error is a response without content whose metadata says why, and when to come back.
TEST(EncodeTest, Error) {
  EXPECT_EQ(Error(Dialect::kV1, "full", 0), "\x14\0\0\0\0\0\0\0\0\0\7\xFF\0\4full"s);
  EXPECT_EQ(Error(Dialect::kV2, "full", 0x0A0B0C0D),
            "\2\1\2\3\4\x14\0\0\0\0\0\0\0\0\0\x0E\x12\0\4\x0A\x0B\x0C\x0D\xFF\0\4full"s);
}

// A long message does not push RETRY_AFTER out.
TEST(EncodeTest, ALongErrorKeepsRetryAfter) {
  const std::string bytes = Error(Dialect::kV1, std::string(5000, 'e'), 99);
  const auto metadata = ParseMetadata(absl::string_view(bytes).substr(kV1ResponseHeaderBytes));
  ASSERT_TRUE(metadata.has_value());
  EXPECT_EQ(metadata->retry_after_ms, 99u);
  EXPECT_TRUE(metadata->error.has_value());
}

// Both open with magic and version; the ack has one byte more, the parallelism.
TEST(EncodeTest, HelloAndItsAck) {
  char out[kHelloAckBytes];
  EXPECT_EQ(EncodeHello(0x0F03, 0x0102, out), kHelloBytes);
  EXPECT_EQ(absl::string_view(out, kHelloBytes), "OBJM\x02\x0F\x03\x01\x02");
  EXPECT_EQ(EncodeHelloAck(0x0F03, 0x0102, 9, out), kHelloAckBytes);
  EXPECT_EQ(absl::string_view(out, kHelloAckBytes), "OBJM\x02\x0F\x03\x01\x02\x09");
}

// CLOSE carries its reason, CLOSE_ACK a zero byte and the number of outstanding requests.
TEST(EncodeTest, CloseAndItsAck) {
  char out[kCloseAckBytes];
  EXPECT_EQ(EncodeClose(CloseReason::kShuttingDown, out), kCloseBytes);
  EXPECT_EQ(absl::string_view(out, kCloseBytes), "\x03\x03");
  EXPECT_EQ(EncodeCloseAck(0x01020304, out), kCloseAckBytes);
  EXPECT_EQ(absl::string_view(out, kCloseAckBytes), absl::string_view("\4\0\1\2\3\4", 6));
}

// V1 sends mode and URI alone, whatever else is set.
TEST(EncodeTest, V1Request) {
  const RequestToSend request = {.mode = Mode::kPut,
                                 .uri = "a/b",
                                 .id = 7,
                                 .flags = kAllFlags,
                                 .offset = 1,
                                 .length = 2,
                                 .body_length = 3};
  EXPECT_EQ(Request(Dialect::kV1, request), "W\0\3a/b"s);
}

// V2 sends offset and length with RANGE alone, body_length with PUT alone, in this order.
TEST(EncodeTest, V2Request) {
  RequestToSend request = {.mode = Mode::kFdPass,
                           .uri = "a/b",
                           .id = 0x01020304,
                           .offset = 0x1112131415161718,
                           .length = 0x2122232425262728,
                           .body_length = 0x3132333435363738};
  const std::string range = "\x11\x12\x13\x14\x15\x16\x17\x18!\"#$%&'(";
  EXPECT_EQ(Request(Dialect::kV2, request), "\1\1\2\3\4\0001\0\3a/b"s);
  request.flags = kFlagRange | kFlagOrdered;
  EXPECT_EQ(Request(Dialect::kV2, request), "\1\1\2\3\4\0051\0\3"s + range + "a/b");
  request.mode = Mode::kPut;
  EXPECT_EQ(Request(Dialect::kV2, request), "\1\1\2\3\4\5W\0\3"s + range + "12345678a/b");
  request.flags = kFlagPriority;
  EXPECT_EQ(Request(Dialect::kV2, request), "\1\1\2\3\4\2W\0\00312345678a/b"s);
}

// Metadata goes out with its flag alone, its length last in the header and its bytes behind the
// URI; what does not store has none when it is empty.
TEST(EncodeTest, V2RequestMetadata) {
  RequestToSend request = {
      .mode = Mode::kPutFd, .uri = "a", .id = 1, .body_length = 2, .metadata = "mm"};
  EXPECT_EQ(Request(Dialect::kV2, request), "\1\0\0\0\1\0F\0\1a"s);
  request.flags = kFlagMetadata;
  EXPECT_EQ(Request(Dialect::kV2, request), "\1\0\0\0\1\10F\0\1\0\2amm"s);
  request.mode = Mode::kPut;
  EXPECT_EQ(Request(Dialect::kV2, request), "\1\0\0\0\1\10W\0\1\0\0\0\0\0\0\0\2\0\2amm"s);
  request.mode = Mode::kDelete;
  EXPECT_EQ(Request(Dialect::kV2, request), "\1\0\0\0\1\10D\0\1\0\2amm"s);
  request.metadata = "";
  EXPECT_EQ(Request(Dialect::kV2, request), "\1\0\0\0\1\10D\0\1a"s);
  request.mode = Mode::kPutFd;
  EXPECT_EQ(Request(Dialect::kV1, request), "F\0\1a"s);
}

// The longest request fits the buffer that a reader must have.
TEST(EncodeTest, TheLongestRequest) {
  const std::string uri(kUriBytesMax, 'u');
  const std::string metadata(kMetadataBytesMax, 'm');
  EXPECT_EQ(Request(Dialect::kV2, {.mode = Mode::kPut,
                                   .uri = uri,
                                   .flags = kFlagRange | kFlagMetadata,
                                   .metadata = metadata})
                .size(),
            kRequestBytesMax);
}

}  // namespace
}  // namespace objmapper::protocol
