// Targets: the forms, decoding, and what is refused.
#include "protocol/http/target.h"

#include <gtest/gtest.h>

#include <string>

namespace objmapper::protocol::http {
namespace {

struct Parsed {
  int status;
  Target target;
  std::string host;
};
Parsed Parse(absl::string_view text, absl::string_view method = "GET") {
  Head head;
  head.method = method;
  head.target = text;
  head.host = "field.example";
  Parsed parsed;
  parsed.status = ParseTarget(&head, &parsed.target).status;
  parsed.host = std::string(head.host);
  return parsed;
}

TEST(TargetTest, TheOriginForm) {
  EXPECT_EQ(Parse("/").target.path, "");
  EXPECT_EQ(Parse("/a/b%20c%2Fd%C3%A9%ff?format=json&x#").target.path, "a/b c/d\xc3\xa9\xff");
  EXPECT_EQ(Parse("/a?format=json").target.query, "format=json");
  EXPECT_EQ(Parse("/a?b?c").target.query, "b?c");
  EXPECT_EQ(Parse("/%2e%2e/%252e").target.path, "../%2e") << "decoded once, and judged elsewhere";
  EXPECT_EQ(Parse("//a//").target.path, "/a//");
  EXPECT_EQ(Parse("/\xc3\xa9").target.path, "\xc3\xa9");
}

TEST(TargetTest, TheAbsoluteFormOverridesTheHost) {
  const Parsed parsed = Parse("HTTP://other.example:81/a?b");
  EXPECT_EQ(parsed.status, 0);
  EXPECT_EQ(parsed.target.path, "a");
  EXPECT_EQ(parsed.target.query, "b");
  EXPECT_EQ(parsed.host, "other.example:81");
  EXPECT_EQ(Parse("http://other.example").target.path, "");
  EXPECT_EQ(Parse("http://other.example?b").target.query, "b");
  EXPECT_EQ(Parse("http:///a").status, 400);
  EXPECT_EQ(Parse("http://:80/a").status, 400);
  EXPECT_EQ(Parse("http://user@host/a").status, 400);
  EXPECT_EQ(Parse("ftp://host/a").status, 400);
  EXPECT_EQ(Parse("/a").host, "field.example");
}

TEST(TargetTest, TheServerItself) {
  EXPECT_TRUE(Parse("*", "OPTIONS").target.server);
  EXPECT_EQ(Parse("*", "OPTIONS").status, 0);
  EXPECT_EQ(Parse("*", "GET").status, 400);
  EXPECT_EQ(Parse("host:80", "CONNECT").status, 400);
}

TEST(TargetTest, Refusals) {
  for (const char* target : {"/%", "/%4", "/%4g", "/%g4", "/%00", "a", "?a"})
    EXPECT_EQ(Parse(target).status, 400) << target;
  EXPECT_EQ(Parse("/" + std::string(4096, 'a')).status, 0);
  EXPECT_EQ(Parse("/" + std::string(4097, 'a')).status, 414);
  EXPECT_EQ(Parse("/a?" + std::string(8192, 'a')).status, 0);
  EXPECT_EQ(Parse("/a?" + std::string(8193, 'a')).status, 414);
}

// What is encoded is decoded to itself, whatever it is.
TEST(TargetTest, ThereAndBack) {
  std::string bytes;
  for (int c = 1; c < 256; ++c) bytes += static_cast<char>(c);
  const std::string encoded = EncodePath(bytes);
  for (const char c : encoded) EXPECT_TRUE(c > ' ' && c < 0x7F && c != '"' && c != '<' && c != '#');
  EXPECT_EQ(Parse("/" + encoded).target.path, bytes);
  EXPECT_EQ(EncodePath("a/b-._~"), "a/b-._~");
}

}  // namespace
}  // namespace objmapper::protocol::http
