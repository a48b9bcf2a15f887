// What goes out for an object that is there, and as what it is counted.
#include "session/reply.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "protocol/http/ask.h"
#include "protocol/request.h"

namespace objmapper::session {
namespace {

using protocol::Dialect;
using protocol::Request;
using protocol::Status;

constexpr uint64_t kSize = 1000;

// A GET with one more field.
Request Get(absl::string_view name, absl::string_view value) {
  auto conditions = std::make_shared<protocol::http::Ask::Conditions>();
  conditions->fields.push_back({name, value});
  auto ask = std::make_shared<protocol::http::Ask>();
  ask->method = protocol::http::Ask::Method::kGet;
  ask->path = "object";
  ask->conditions = std::move(conditions);
  Request request;
  request.http = std::move(ask);
  return request;
}

Reply ReplyTo(const Request& request) {
  Reply reply;
  ObjectFacts facts;
  facts.size = kSize;
  facts.mtime_s = 1'700'000'000;
  facts.etag = "v1";
  MakeReply(Dialect::kHttp, request, facts, &reply);
  return reply;
}

TEST(ReplyTest, CountsWhatHttpAnswers) {
  const struct {
    const char* field;
    const char* value;
    const char* line;
    Status counted;
    uint64_t bytes;
  } kCases[] = {
      {"if-match", "\"v1\"", "HTTP/1.1 200 ", Status::kOk, kSize},
      {"if-match", "\"v2\"", "HTTP/1.1 412 ", Status::kPreconditionFailed, 0},
      {"if-none-match", "\"v1\"", "HTTP/1.1 304 ", Status::kOk, 0},
      {"range", "bytes=10-19", "HTTP/1.1 206 ", Status::kOk, 10},
      {"range", "bytes=1000-", "HTTP/1.1 416 ", Status::kRangeNotSatisfiable, 0},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.line);
    const Reply reply = ReplyTo(Get(test.field, test.value));
    EXPECT_TRUE(absl::StartsWith(reply.head, test.line)) << reply.head;
    EXPECT_EQ(reply.status, test.counted);
    EXPECT_EQ(reply.bytes(), test.bytes);
  }
}

// What a reply was made of before does not show in the next.
TEST(ReplyTest, IsReused) {
  Reply reply;
  ObjectFacts facts;
  facts.size = kSize;
  facts.etag = "v1";
  MakeReply(Dialect::kHttp, Get("range", "bytes=0-9,20-29"), facts, &reply);
  EXPECT_EQ(reply.parts.size(), 2u);
  EXPECT_EQ(reply.behind.size(), 2u);
  MakeReply(Dialect::kHttp, Get("if-match", "\"v2\""), facts, &reply);
  EXPECT_EQ(reply.status, Status::kPreconditionFailed);
  MakeReply(Dialect::kV2, Request(), facts, &reply);
  EXPECT_EQ(reply.status, Status::kOk);
  EXPECT_EQ(reply.parts.size(), 1u);
  EXPECT_TRUE(reply.behind.empty());
}

}  // namespace
}  // namespace objmapper::session
