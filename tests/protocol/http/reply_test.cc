// From bytes to what is asked, and from an object's facts to what is said of it.
#include "protocol/http/reply.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "protocol/http/answer.h"

namespace objmapper::protocol::http {
namespace {

constexpr int64_t kNow = 1'800'000'000;
constexpr ObjectFacts kFacts = {10, 784111777, "tag"};

// "\n" stands for CRLF.
Ask Asked(absl::string_view text, bool writable = false) {
  std::string input;
  for (const char c : absl::StrCat(text, "\n")) {
    if (c == '\n') input += '\r';
    input += c;
  }
  HeadReader reader;
  Head head;
  const HeadReader::Result result = reader.Read(input, &head);
  EXPECT_EQ(result.refusal.status, 0) << result.refusal.reason;
  // What it points into goes before it is used.
  return AskOf(&head, writable);
}
Ask Get(absl::string_view fields = "", absl::string_view method = "GET") {
  return Asked(absl::StrCat(method, " /dir/a%20b.txt HTTP/1.1\nHost: a\n", fields));
}
Reply ReplyTo(const Ask& ask, const ObjectFacts& facts, int64_t now_s) {
  Reply reply;
  // What it held before does not matter.
  MakeReply(Get("Range: bytes=0-1,4-5\n"), {10, 1, "old"}, now_s, &reply);
  MakeReply(ask, facts, now_s, &reply);
  return reply;
}
Reply ReplyOf(const Ask& ask) { return ReplyTo(ask, kFacts, kNow); }
bool Has(const Reply& reply, absl::string_view line) {
  return absl::StrContains(reply.head, absl::StrCat("\r\n", line, "\r\n"));
}

TEST(AskTest, Methods) {
  EXPECT_EQ(Get().path, "dir/a b.txt");
  EXPECT_TRUE(Get("", "HEAD").head_only());
  EXPECT_EQ(Asked("OPTIONS * HTTP/1.0\n").refusal, 204);
  EXPECT_EQ(Asked("PUT /a HTTP/1.1\nHost: a\n").refusal, 405);
  EXPECT_EQ(Asked("PUT /a HTTP/1.1\nHost: a\n", true).refusal, 0);
  EXPECT_EQ(Asked("PUT /a HTTP/1.1\nHost: a\nContent-Range: bytes 0-1/2\n", true).refusal, 400);
  EXPECT_EQ(Asked("DELETE /a HTTP/1.1\nHost: a\n").refusal, 405);
  for (const char* method : {"POST", "TRACE", "CONNECT", "PATCH", "PROPFIND"})
    EXPECT_EQ(Get("", method).refusal, 405) << method;
  // Behind CONNECT there may be what was meant for the tunnel.
  EXPECT_FALSE(Get("", "CONNECT").keep_alive);
  EXPECT_TRUE(Get("", "TRACE").keep_alive);
  for (const char* method : {"get", "GETX", "BREW"})
    EXPECT_EQ(Get("", method).refusal, 501) << method;
}

TEST(AskTest, WhatItKeepsIsItsOwn) {
  Ask ask = Get("Range: bytes=0-\nIf-Match: \"tag\"\nX-Other: y\n");
  const Ask moved = std::move(ask);
  ASSERT_NE(moved.conditions, nullptr);
  EXPECT_EQ(moved.conditions->fields.size(), 2u);
  EXPECT_EQ(moved.conditions->Find("range"), "bytes=0-");
  EXPECT_EQ(moved.conditions->Find("if-match"), "\"tag\"");
  EXPECT_EQ(Get("X-Other: y\n").conditions, nullptr);
}

// Which directives are heeded, and that no others are (RFC 9111, 5.2.1).
TEST(AskTest, CacheControl) {
  const struct {
    const char* fields;
    std::optional<int64_t> age_max_s;
    bool only_if_cached = false;
  } kCases[] = {
      {"", std::nullopt},
      {"Cache-Control: no-cache\n", 0},
      {"cache-control: No-Cache\n", 0},
      {"Cache-Control: max-age=0\n", 0},
      {"Cache-Control: max-age=\"30\"\n", 30},
      {"Cache-Control:  max-age=30 , Only-If-Cached\n", 30, true},
      {"Cache-Control: no-store, max-age=30\nCache-Control: max-age=20\n", 20},
      {"Cache-Control: max-age=30, no-cache\n", 0},
      {"Cache-Control: max-age=99999999999999999999999\n", INT64_MAX},
      // What is none of them, or no number, says nothing.
      {"Cache-Control: max-age\n", std::nullopt},
      {"Cache-Control: max-age=\n", std::nullopt},
      {"Cache-Control: max-age=-1\n", std::nullopt},
      {"Cache-Control: max-age=+1\n", std::nullopt},
      {"Cache-Control: max-age=1s\n", std::nullopt},
      {"Cache-Control: max-age =1\n", std::nullopt},
      {"Cache-Control: no-cache=\"x\", only-if-cached=1\n", std::nullopt},
      {"Cache-Control: no-cacheable,,s-maxage=0\n", std::nullopt},
      {"Cache-Control: no-store, max-stale, max-stale=5, min-fresh=5, no-transform\n",
       std::nullopt},
      {"X-Cache-Control: no-cache\n", std::nullopt},
      // Where there is no Cache-Control.
      {"Pragma: no-cache\n", 0},
      {"Pragma: x=y, NO-CACHE\n", 0},
      {"Pragma: no-store\n", std::nullopt},
      {"Pragma: no-cache\nCache-Control: max-age=7\n", 7},
      {"Cache-Control: no-transform\nPragma: no-cache\n", std::nullopt},
  };
  for (const auto& test : kCases) {
    for (const char* method : {"GET", "HEAD"}) {
      const Ask ask = Get(test.fields, method);
      EXPECT_EQ(ask.refusal, 0) << test.fields;
      EXPECT_EQ(ask.age_max_s, test.age_max_s) << test.fields;
      EXPECT_EQ(ask.only_if_cached, test.only_if_cached) << test.fields;
    }
  }
  EXPECT_FALSE(
      Asked("PUT /a HTTP/1.1\nHost: a\nCache-Control: no-cache\n", true).age_max_s.has_value());
}

// How old it is, and what was done for it, is told of what has come from an origin, and of nothing
// else.
TEST(ReplyTest, WhereItCameFrom) {
  using How = Cached::How;
  const struct {
    Cached cached;
    const char* status;
    const char* status_at_wish;
  } kCases[] = {
      {{.how = How::kHit}, "hit", "hit"},
      {{.how = How::kHit, .due_s = kNow + 23}, "hit; ttl=23", "hit; ttl=23"},
      {{.how = How::kHit, .stale = true, .due_s = kNow - 40},
       "hit; ttl=-40; detail=stale-if-error",
       "hit; ttl=-40; detail=stale-if-error"},
      {{.how = How::kFetched}, "fwd=uri-miss; stored", "fwd=uri-miss; stored"},
      {{.how = How::kReplaced}, "fwd=stale; stored", "fwd=request; stored"},
      {{.how = How::kNotModified}, "fwd=stale; fwd-status=304", "fwd=request; fwd-status=304"},
      {{.how = How::kConfirmed}, "fwd=stale; stored=?0", "fwd=request; stored=?0"},
  };
  for (const auto& test : kCases) {
    for (const char* fields : {"", "Range: bytes=2-3\n", "Range: bytes=0-1,4-5\n",
                               "If-None-Match: \"tag\"\n", "Range: bytes=50-\n"}) {
      for (const bool asks : {false, true}) {
        for (const char* method : {"GET", "HEAD"}) {
          const Ask ask = Get(fields, method);
          ObjectFacts facts = kFacts;
          facts.cached = test.cached;
          facts.cached.checked_s = kNow - 100;
          facts.cached.at_wish = asks;
          const Reply reply = ReplyTo(ask, facts, kNow);
          EXPECT_TRUE(Has(reply, "Age: 100")) << reply.head;
          const char* status = asks ? test.status_at_wish : test.status;
          EXPECT_TRUE(Has(reply, absl::StrCat("Cache-Status: objmapper; ", status))) << reply.head;
        }
      }
    }
  }
  ObjectFacts facts = kFacts;
  for (const int64_t ahead : {0, 1, 1000}) {
    facts.cached = {.how = How::kHit, .checked_s = kNow + ahead};
    EXPECT_TRUE(Has(ReplyTo(Get(), facts, kNow), "Age: 0"));
  }
  const Reply own = ReplyOf(Get("Cache-Control: no-cache\n"));
  EXPECT_FALSE(absl::StrContains(own.head, "Age:")) << own.head;
  EXPECT_FALSE(absl::StrContains(own.head, "Cache-Status")) << own.head;
}

TEST(ReplyTest, TheWhole) {
  const Reply reply = ReplyOf(Get());
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(
      absl::StartsWith(reply.head, "HTTP/1.1 200 OK\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT"));
  EXPECT_TRUE(absl::EndsWith(reply.head, "\r\n\r\n"));
  EXPECT_TRUE(Has(reply, "Content-Length: 10"));
  EXPECT_TRUE(Has(reply, "Content-Type: text/plain; charset=utf-8"));
  EXPECT_TRUE(Has(reply, "ETag: \"tag\""));
  EXPECT_TRUE(Has(reply, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"));
  EXPECT_TRUE(Has(reply, "Accept-Ranges: bytes"));
  EXPECT_FALSE(absl::StrContains(reply.head, "Connection"));
  EXPECT_FALSE(absl::StrContains(reply.head, "Cache-Control"));
  ASSERT_EQ(reply.parts.size(), 1u);
  EXPECT_EQ(reply.parts[0].length, 10u);
  EXPECT_TRUE(reply.behind.empty());
  auto connection = std::make_shared<Persistence>();
  connection->cache_control = "no-cache";
  Ask ask = Get();
  ask.connection = std::move(connection);
  EXPECT_TRUE(Has(ReplyOf(ask), "Cache-Control: no-cache"));
}

// Which pages may read an answer is said to those that may (the Fetch standard, "HTTP
// extensions").
TEST(ReplyTest, Cors) {
  const auto asked = [](absl::string_view origin, const std::vector<std::string>& allowed) {
    Ask ask = Get();
    Head head;
    if (!origin.empty()) head.fields.push_back({"Origin", origin});
    AllowOrigins(head, allowed, &ask);
    return ReplyOf(ask);
  };
  EXPECT_FALSE(absl::StrContains(asked("https://a", {}).head, "Access-Control"));
  EXPECT_FALSE(absl::StrContains(asked("https://b", {"https://a"}).head, "Access-Control"));
  EXPECT_FALSE(absl::StrContains(asked("", {"https://a"}).head, "Access-Control"));
  const Reply one = asked("https://a", {"https://c", "https://a"});
  EXPECT_TRUE(Has(one, "Access-Control-Allow-Origin: https://a"));
  EXPECT_TRUE(Has(one, "Vary: Origin")) << "or a cache would give it to others";
  const Reply all = asked("https://b", {"*"});
  EXPECT_TRUE(Has(all, "Access-Control-Allow-Origin: *"));
  EXPECT_FALSE(absl::StrContains(all.head, "Vary"));
}

TEST(ReplyTest, WhatALogTells) {
  const auto logged = [](absl::string_view fields, absl::string_view method) {
    Ask ask = Get(fields, method);
    ask.logged = std::make_unique<Logged>();
    ReplyOf(ask);
    return std::make_pair(ask.logged->status, ask.logged->body_bytes);
  };
  EXPECT_EQ(logged("", "GET"), std::make_pair(200, uint64_t{10}));
  EXPECT_EQ(logged("", "HEAD"), std::make_pair(200, uint64_t{0}));
  EXPECT_EQ(logged("Range: bytes=0-3\n", "GET"), std::make_pair(206, uint64_t{4}));
  EXPECT_EQ(logged("Range: bytes=90-\n", "GET"), std::make_pair(416, uint64_t{0}));
  EXPECT_EQ(logged("If-None-Match: *\n", "GET"), std::make_pair(304, uint64_t{0}));
  EXPECT_EQ(logged("If-Match: \"x\"\n", "GET").first, 412);
}

TEST(ReplyTest, HeadHasTheHeadersOfGet) {
  for (const char* fields : {"", "Range: bytes=0-3\n"}) {
    const Reply head = ReplyOf(Get(fields, "HEAD"));
    EXPECT_EQ(head.head, ReplyOf(Get()).head) << "HEAD ignores a range";
    EXPECT_TRUE(head.parts.empty());
  }
}

TEST(ReplyTest, LastModifiedIsNeverInTheFuture) {
  EXPECT_TRUE(Has(ReplyTo(Get(), {10, kNow + 100, "tag"}, kNow),
                  "Last-Modified: Fri, 15 Jan 2027 08:00:00 GMT"));
}

TEST(ReplyTest, Ranges) {
  const Reply part = ReplyOf(Get("Range: bytes=3-99\n"));
  EXPECT_EQ(part.status, 206);
  EXPECT_TRUE(Has(part, "Content-Range: bytes 3-9/10"));
  EXPECT_TRUE(Has(part, "Content-Length: 7"));
  EXPECT_TRUE(Has(part, "ETag: \"tag\""));
  const Reply past = ReplyOf(Get("Range: bytes=10-\n"));
  EXPECT_EQ(past.status, 416);
  EXPECT_TRUE(Has(past, "Content-Range: bytes */10"));
  EXPECT_TRUE(past.parts.empty());
  EXPECT_EQ(ReplyOf(Get("Range: lines=1-2\n")).status, 200);
  EXPECT_EQ(ReplyOf(Get("Range: bytes=0-3\nIf-Range: \"old\"\n")).status, 200);
  EXPECT_EQ(ReplyOf(Get("Range: bytes=0-3\nIf-Range: \"tag\"\n")).status, 206);
}

// The length that is promised is the length of all that is said.
TEST(ReplyTest, SeveralRanges) {
  const Reply reply = ReplyOf(Get("Range: bytes=0-1,5-5,-2\n"));
  EXPECT_EQ(reply.status, 206);
  ASSERT_EQ(reply.parts.size(), 3u);
  ASSERT_EQ(reply.behind.size(), 3u);
  const std::string object = "0123456789";
  std::string said = reply.head;
  for (size_t i = 0; i < reply.parts.size(); ++i)
    said += object.substr(reply.parts[i].offset, reply.parts[i].length) + reply.behind[i];
  const std::string body = said.substr(said.find("\r\n\r\n") + 4);
  EXPECT_TRUE(Has(reply, absl::StrCat("Content-Length: ", body.size())));
  EXPECT_TRUE(absl::StrContains(body, "Content-Range: bytes 5-5/10\r\n\r\n5\r\n--"));
  EXPECT_TRUE(absl::StrContains(body, "Content-Range: bytes 8-9/10\r\n\r\n89\r\n--"));
  EXPECT_TRUE(absl::EndsWith(body, "--\r\n"));
}

// Whoever has seen one answer does not know what stands between the parts of another.
TEST(ReplyTest, BoundariesAreNotKnownBefore) {
  const Ask ask = Get("Range: bytes=0-1,5-5\n");
  const Reply one = ReplyOf(ask);
  const Reply other = ReplyOf(ask);
  EXPECT_NE(one.behind, other.behind);
  EXPECT_EQ(one.head.size(), other.head.size());
}

TEST(ReplyTest, Preconditions) {
  const Reply same = ReplyOf(Get("If-None-Match: \"tag\"\n"));
  EXPECT_EQ(same.status, 304);
  EXPECT_TRUE(Has(same, "ETag: \"tag\""));
  EXPECT_FALSE(absl::StrContains(same.head, "Content-Length"));
  EXPECT_TRUE(same.parts.empty());
  const Reply other = ReplyOf(Get("If-Match: \"x\"\n"));
  EXPECT_EQ(other.status, 412);
  EXPECT_TRUE(other.parts.empty());
}

TEST(ReplyTest, OfAnEmptyObject) {
  const Reply reply = ReplyTo(Get(), {0, 0, "tag"}, kNow);
  EXPECT_EQ(reply.status, 200);
  EXPECT_TRUE(Has(reply, "Content-Length: 0"));
  EXPECT_TRUE(reply.parts.empty());
}

TEST(ReplyTest, SaysWhatBecomesOfTheConnection) {
  EXPECT_TRUE(Has(ReplyOf(Get("Connection: close\n")), "Connection: close"));
  EXPECT_TRUE(Has(ReplyOf(Asked("GET /a HTTP/1.0\n")), "Connection: close"));
  EXPECT_TRUE(
      Has(ReplyOf(Asked("GET /a HTTP/1.0\nConnection: keep-alive\n")), "Connection: keep-alive"));
  Ask ask = Get();
  auto connection = std::make_shared<Persistence>();
  ask.connection = connection;
  EXPECT_FALSE(absl::StrContains(ReplyOf(ask).head, "Connection"));
  connection->ends = true;
  EXPECT_TRUE(Has(ReplyOf(ask), "Connection: close"));
}

TEST(NoteTest, OneLine) {
  std::string out;
  AppendNote({.status = 405, .text = "no", .allow = "GET", .retry_after_s = 2}, nullptr, kNow,
             &out);
  EXPECT_TRUE(absl::StartsWith(out, "HTTP/1.1 405 Method Not Allowed\r\n"));
  EXPECT_TRUE(absl::StrContains(out, "\r\nAllow: GET\r\nRetry-After: 2\r\n"));
  EXPECT_TRUE(absl::EndsWith(out, "Content-Length: 3\r\nConnection: close\r\n\r\nno\n"));
  out.clear();
  const Ask head = Get("", "HEAD"), get = Get();
  AppendNote({.status = 404, .text = "no"}, &head, kNow, &out);
  EXPECT_TRUE(absl::EndsWith(out, "Content-Length: 3\r\n\r\n")) << "what GET would have said";
  out.clear();
  AppendNote({.status = 204, .allow = "GET"}, &get, kNow, &out);
  EXPECT_FALSE(absl::StrContains(out, "Content-Length")) << "RFC 9110, 8.6";
  out.clear();
  AppendNote({.status = 500, .text = std::string(20'000, 'x')}, &get, kNow, &out);
  EXPECT_LT(out.size(), 10'000u);
}

}  // namespace
}  // namespace objmapper::protocol::http
