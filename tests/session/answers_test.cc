// Every code has its status, and every answer can be read back.
#include "session/answers.h"

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "net/retry_after.h"
#include "protocol/objm/metadata.h"
#include "protocol/objm/response_parser.h"

namespace objmapper::session {
namespace {

using protocol::CloseReason;
using protocol::Dialect;
using protocol::Metadata;
using protocol::Request;
using protocol::ResponseParser;
using protocol::Status;
using Kind = protocol::ResponseParser::Kind;

constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
constexpr uint32_t kId = 0x80000001;

// Reads what was written as a client would.
class Reader {
 public:
  Reader(Dialect dialect, std::string bytes)
      : parser_(dialect == Dialect::kV2 ? Dialect::kV2 : Dialect::kV1), bytes_(std::move(bytes)) {
    if (dialect != Dialect::kV2) return;
    char ack[protocol::kHelloAckBytes];
    parser_.Next(absl::string_view(ack, protocol::EncodeHelloAck(0, 0, 0, ack)));
  }

  ResponseParser::Result Next() {
    const ResponseParser::Result result = parser_.Next(absl::string_view(bytes_).substr(at_));
    at_ += result.consumed;
    return result;
  }
  // A response's metadata, which must be sound.
  static Metadata MetadataOf(const ResponseParser::Result& result) {
    const auto metadata = protocol::ParseMetadata(result.response.metadata);
    EXPECT_TRUE(metadata.has_value());
    return metadata.value_or(Metadata());
  }
  bool AtEnd() const { return at_ == bytes_.size(); }

 private:
  ResponseParser parser_;
  const std::string bytes_;
  size_t at_ = 0;
};

Request RangeRequest(uint64_t offset, uint64_t length) {
  Request request;
  request.id = kId;
  request.flags = protocol::kFlagRange;
  request.offset = offset;
  request.length = length;
  return request;
}

// ---- Statuses ----

// Each code that a lookup, a read or an operation can end with has its status; running out of
// something is never "not found", and what nobody foresaw is the server's fault.
TEST(WireStatusTest, OfEveryCode) {
  const struct {
    absl::StatusCode code;
    Status status;
  } cases[] = {
      {absl::StatusCode::kNotFound, Status::kNotFound},
      {absl::StatusCode::kPermissionDenied, Status::kPermissionDenied},
      {absl::StatusCode::kInvalidArgument, Status::kInvalidRequest},
      {absl::StatusCode::kOutOfRange, Status::kUriTooLong},
      {absl::StatusCode::kResourceExhausted, Status::kUnavailable},
      {absl::StatusCode::kUnavailable, Status::kUnavailable},
      {absl::StatusCode::kDataLoss, Status::kStorageError},
      {absl::StatusCode::kDeadlineExceeded, Status::kTimeout},
      {absl::StatusCode::kInternal, Status::kInternalError},
      {absl::StatusCode::kUnknown, Status::kInternalError},
      {absl::StatusCode::kAlreadyExists, Status::kConflict},
      {absl::StatusCode::kUnimplemented, Status::kUnsupportedOp},
      {absl::StatusCode::kAborted, Status::kPreconditionFailed},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(WireStatus(absl::Status(c.code, "why")), c.status)
        << absl::StatusCodeToString(c.code);
  }
  EXPECT_EQ(WireStatus(absl::OkStatus()), Status::kOk);
}

// ---- Extents ----

// A request gets the part of its range that the object has; the numbers may be anything.
TEST(ResolveExtentTest, CutsTheRangeAtTheEnd) {
  const struct {
    uint64_t offset, length, size;
    uint64_t granted;
  } cases[] = {
      {0, 10, 100, 10},     // a part
      {90, 10, 100, 10},    // up to the last byte
      {90, 11, 100, 10},    // one more than there are
      {0, 100, 100, 100},   // all
      {0, 0, 100, 100},     // length 0: to the end
      {40, 0, 100, 60},     //
      {100, 0, 100, 0},     // at the end: nothing is left, which is no error
      {100, 5, 100, 0},     //
      {0, 0, 0, 0},         // of an empty object
      {0, 7, 0, 0},         //
      {1, kMost, 100, 99},  // offset + length wraps around
      {99, kMost - 98, 100, 1},
      {kMost, kMost, kMost, 0},
      {kMost - 1, 0, kMost, 1},
      {0, kMost, kMost, kMost},
  };
  for (const auto& c : cases) {
    const auto extent = ResolveExtent(RangeRequest(c.offset, c.length), c.size);
    ASSERT_TRUE(extent.has_value()) << c.offset << "+" << c.length << " of " << c.size;
    EXPECT_EQ(extent->offset, c.offset);
    EXPECT_EQ(extent->length, c.granted) << c.offset << "+" << c.length << " of " << c.size;
  }
}

// An offset past the end has nothing to give, whatever the length.
TEST(ResolveExtentTest, PastTheEndIsRefused) {
  EXPECT_FALSE(ResolveExtent(RangeRequest(101, 1), 100).has_value());
  EXPECT_FALSE(ResolveExtent(RangeRequest(101, 0), 100).has_value());
  EXPECT_FALSE(ResolveExtent(RangeRequest(1, 0), 0).has_value());
  EXPECT_FALSE(ResolveExtent(RangeRequest(kMost, kMost), 100).has_value());
  const std::string message = RangeMessage(RangeRequest(101, 1), 100);
  EXPECT_TRUE(absl::StrContains(message, "101") && absl::StrContains(message, "100")) << message;
}

// Without a range the whole object is meant, even if the fields of one hold something.
TEST(ResolveExtentTest, WithoutARangeItIsTheWhole) {
  Request request = RangeRequest(40, 2);
  request.flags = 0;
  const auto extent = ResolveExtent(request, 100);
  ASSERT_TRUE(extent.has_value());
  EXPECT_EQ(extent->offset, 0u);
  EXPECT_EQ(extent->length, 100u);
}

// ---- Encodings ----

class DialectTest : public testing::TestWithParam<Dialect> {
 protected:
  bool v2() const { return GetParam() == Dialect::kV2; }
  uint32_t expected_id() const { return v2() ? kId : 0; }
  std::string out_;
};

// An error says what is wrong in words; one that may pass says when to try again.
TEST_P(DialectTest, Error) {
  AppendError(GetParam(), kId, Status::kNotFound, "no such object", &out_);
  AppendError(GetParam(), kId, Status::kUnavailable, "out of descriptors", &out_);
  Reader reader(GetParam(), out_);
  const auto not_found = reader.Next();
  ASSERT_EQ(not_found.kind, Kind::kResponse);
  EXPECT_EQ(not_found.response.id, expected_id());
  EXPECT_EQ(not_found.response.status, Status::kNotFound);
  EXPECT_EQ(not_found.response.content_length, 0u);
  EXPECT_EQ(Reader::MetadataOf(not_found).error, "no such object");
  EXPECT_EQ(Reader::MetadataOf(not_found).retry_after_ms, std::nullopt);
  const auto unavailable = reader.Next();
  ASSERT_EQ(unavailable.kind, Kind::kResponse);
  EXPECT_EQ(unavailable.response.status, Status::kUnavailable);
  EXPECT_EQ(Reader::MetadataOf(unavailable).error, "out of descriptors");
  EXPECT_EQ(Reader::MetadataOf(unavailable).retry_after_ms, kRetryAfterMs);
  EXPECT_TRUE(reader.AtEnd());
}

// What could not be had for now says when it may be tried again, where the reason does.
TEST_P(DialectTest, WhenToComeAgain) {
  Request request;
  request.id = kId;
  const absl::Status why = absl::ResourceExhaustedError("the origin does not answer");
  AppendError(GetParam(), request, net::WithRetryAfter(why, absl::Seconds(7)), &out_);
  AppendError(GetParam(), request, why, &out_);
  AppendError(GetParam(), request, absl::NotFoundError("none"), &out_);
  Reader reader(GetParam(), out_);
  for (const uint32_t ms : {uint32_t{7000}, kRetryAfterMs}) {
    const auto answer = reader.Next();
    EXPECT_EQ(answer.response.status, Status::kUnavailable);
    EXPECT_EQ(Reader::MetadataOf(answer).error, "the origin does not answer");
    EXPECT_EQ(Reader::MetadataOf(answer).retry_after_ms, ms);
  }
  EXPECT_EQ(reader.Next().response.status, Status::kNotFound);
  EXPECT_TRUE(reader.AtEnd());
}

// A message of any length fits: it is cut, and still says something.
TEST_P(DialectTest, LongErrorIsCut) {
  const std::string message(5000, 'm');
  AppendError(GetParam(), kId, Status::kUnavailable, message, &out_);
  Reader reader(GetParam(), out_);
  const Metadata metadata = Reader::MetadataOf(reader.Next());
  ASSERT_TRUE(metadata.error.has_value());
  EXPECT_GT(metadata.error->size(), 500u);
  EXPECT_EQ(metadata.retry_after_ms, kRetryAfterMs);
  EXPECT_TRUE(reader.AtEnd());
}

// The header before a body says how long the body is. V2 also says how large the object is, and
// which range was granted if one was asked for; V1 clients know no such entries.
TEST_P(DialectTest, BodyHeader) {
  for (const bool with_range : {false, true}) {
    Request request = RangeRequest(40, 1000);
    if (!with_range) request.flags = 0;
    char header[protocol::kResponseBytesMax];
    const size_t size = EncodeBodyHeader(GetParam(), request, {40, 60},
                                         {.size = 100, .etag = "e-1", .uri = "a.json"}, header);
    ASSERT_LE(size, sizeof(header));
    Reader reader(GetParam(), std::string(header, size));
    const auto result = reader.Next();
    ASSERT_EQ(result.kind, Kind::kResponse);
    EXPECT_TRUE(reader.AtEnd());
    EXPECT_EQ(result.response.id, expected_id());
    EXPECT_EQ(result.response.status, Status::kOk);
    EXPECT_EQ(result.response.content_length, 60u);
    const Metadata metadata = Reader::MetadataOf(result);
    if (!v2()) {
      EXPECT_TRUE(result.response.metadata.empty());
      continue;
    }
    EXPECT_EQ(metadata.size, 100u);
    ASSERT_EQ(metadata.range.has_value(), with_range);
    if (with_range) {
      EXPECT_EQ(metadata.range->offset, 40u);
      EXPECT_EQ(metadata.range->length, 60u);
    }
  }
}

// STAT tells size, time and etag, and no body follows.
TEST_P(DialectTest, Stat) {
  Request request;
  request.id = kId;
  AppendStat(GetParam(), request,
             {.size = kMost, .mtime_s = 1'700'000'000, .etag = "e-1", .backend = 2}, &out_);
  Reader reader(GetParam(), out_);
  const auto result = reader.Next();
  ASSERT_EQ(result.kind, Kind::kResponse);
  EXPECT_TRUE(reader.AtEnd());
  EXPECT_EQ(result.response.id, expected_id());
  EXPECT_EQ(result.response.status, Status::kOk);
  EXPECT_EQ(result.response.content_length, 0u);
  const Metadata metadata = Reader::MetadataOf(result);
  EXPECT_EQ(metadata.size, kMost);
  EXPECT_EQ(metadata.mtime, 1'700'000'000u);
  EXPECT_EQ(metadata.etag, "e-1");
  EXPECT_EQ(metadata.backend, 2);
  EXPECT_FALSE(metadata.expires.has_value() || metadata.mime.has_value());
}

// Who has negotiated VERSIONS is told which version it is, in every answer that is of one (with a
// descriptor: tests/fdpass/answer_test.cc).
TEST(VersionsTest, AreToldToWhoAsksForThem) {
  Request request;
  request.versions = true;
  const ObjectFacts facts = {.size = 100,
                             .mtime_s = -5,
                             .etag = "e-1",
                             .backend = 1,
                             .expires_s = 4'000'000'000,
                             .uri = "a.json"};
  std::vector<std::string> answers(2);
  AppendStat(Dialect::kV2, request, facts, &answers[0]);
  char header[protocol::kResponseBytesMax];
  answers[1].assign(header, EncodeBodyHeader(Dialect::kV2, request, {0, 100}, facts, header));
  for (const std::string& answer : answers) {
    Reader reader(Dialect::kV2, answer);
    const Metadata metadata = Reader::MetadataOf(reader.Next());
    EXPECT_EQ(metadata.size, 100u);
    EXPECT_EQ(metadata.mtime, static_cast<uint64_t>(-5));
    EXPECT_EQ(metadata.etag, "e-1");
    EXPECT_EQ(metadata.expires, 4'000'000'000u);
    EXPECT_EQ(metadata.mime, "application/json");
  }
}

// What is stale says so, to who has negotiated VERSIONS.
TEST(VersionsTest, Stale) {
  for (const bool versions : {false, true}) {
    for (const bool stale : {false, true}) {
      Request request;
      request.versions = versions;
      ObjectFacts facts = {.size = 3, .etag = "e-1", .uri = "a"};
      facts.cached = {.how = protocol::Cached::How::kHit, .stale = stale};
      std::vector<std::string> answers(2);
      AppendStat(Dialect::kV2, request, facts, &answers[0]);
      char header[protocol::kResponseBytesMax];
      answers[1].assign(header, EncodeBodyHeader(Dialect::kV2, request, {0, 3}, facts, header));
      for (const std::string& answer : answers) {
        Reader reader(Dialect::kV2, answer);
        EXPECT_EQ(Reader::MetadataOf(reader.Next()).stale, versions && stale);
      }
    }
  }
}

// Who has the version already is told so, and gets nothing else.
TEST(VersionsTest, NotModified) {
  Request request;
  request.conditions =
      std::make_shared<protocol::Conditions>(protocol::Conditions{.if_none_match = "e-1"});
  for (const std::string etag : {"e-1", "e-2"}) {
    std::string out;
    AppendStat(Dialect::kV2, request, {.size = 3, .etag = etag}, &out);
    Reader reader(Dialect::kV2, out);
    const auto result = reader.Next();
    EXPECT_EQ(result.response.status, etag == "e-1" ? Status::kNotModified : Status::kOk);
    EXPECT_EQ(Reader::MetadataOf(result).error.has_value(), etag == "e-1");
  }
}

// Farewells are V2's alone; to a V1 client the end of the stream says it.
TEST_P(DialectTest, Farewells) {
  AppendClose(GetParam(), CloseReason::kIdleTimeout, &out_);
  AppendCloseAck(GetParam(), &out_);
  if (!v2()) {
    EXPECT_EQ(out_, "");
    return;
  }
  Reader reader(GetParam(), out_);
  const auto close = reader.Next();
  EXPECT_EQ(close.kind, Kind::kClose);
  EXPECT_EQ(close.close_reason, CloseReason::kIdleTimeout);
  const auto ack = reader.Next();
  EXPECT_EQ(ack.kind, Kind::kCloseAck);
  EXPECT_EQ(ack.outstanding, 0u);
  EXPECT_TRUE(reader.AtEnd());
}

// A message after which nothing can be understood is answered, and then V2 hears why it ends.
TEST_P(DialectTest, Fatal) {
  AppendFatal(GetParam(), kId, Status::kProtocolError, "what was that?", &out_);
  Reader reader(GetParam(), out_);
  const auto answer = reader.Next();
  ASSERT_EQ(answer.kind, Kind::kResponse);
  EXPECT_EQ(answer.response.id, expected_id());
  EXPECT_EQ(answer.response.status, Status::kProtocolError);
  EXPECT_EQ(Reader::MetadataOf(answer).error, "what was that?");
  if (v2()) {
    const auto close = reader.Next();
    EXPECT_EQ(close.kind, Kind::kClose);
    EXPECT_EQ(close.close_reason, CloseReason::kProtocolError);
  }
  EXPECT_TRUE(reader.AtEnd());
}

// kUnknown: who has said nothing understandable gets what a V1 client could read.
INSTANTIATE_TEST_SUITE_P(Dialects, DialectTest,
                         testing::Values(Dialect::kV1, Dialect::kV2, Dialect::kUnknown),
                         [](const auto& info) {
                           return info.param == Dialect::kV1   ? "V1"
                                  : info.param == Dialect::kV2 ? "V2"
                                                               : "Unknown";
                         });

}  // namespace
}  // namespace objmapper::session
