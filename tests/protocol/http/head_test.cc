// The head of a request: what is taken, and every line of the list of what is refused.
#include "protocol/http/head.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace objmapper::protocol::http {
namespace {

HeadReader::Result ReadWhole(absl::string_view input, Head* head) {
  HeadReader reader;
  return reader.Read(input, head);
}

// What the head of a request with these fields comes to; "\n" stands for CRLF.
std::string WithCrlf(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}
int StatusOf(absl::string_view text) {
  Head head;
  const std::string input = WithCrlf(text);
  const HeadReader::Result result = ReadWhole(input, &head);
  EXPECT_TRUE(result.refusal.status != 0 || result.consumed == input.size()) << text;
  return result.refusal.status;
}
int StatusOfFields(absl::string_view fields) {
  return StatusOf(absl::StrCat("GET /a HTTP/1.1\nHost: a\n", fields, "\n"));
}

TEST(HeadTest, IsTaken) {
  const std::string input = WithCrlf(
      "GET /a%20b?c HTTP/1.1\nHost: example.org:8080\nX-Empty:\nAccept: \t text/html, */*  \n\n");
  const std::string stream = input + "GET behind";
  Head head;
  const HeadReader::Result result = ReadWhole(stream, &head);
  EXPECT_EQ(result.refusal.status, 0) << result.refusal.reason;
  EXPECT_EQ(result.consumed, input.size());
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.target, "/a%20b?c");
  EXPECT_EQ(head.minor, 1);
  EXPECT_EQ(head.host, "example.org:8080");
  EXPECT_EQ(head.Find("ACCEPT"), "text/html, */*");
  EXPECT_EQ(head.Find("x-empty"), "");
  EXPECT_TRUE(head.keep_alive);
  EXPECT_FALSE(head.has_body());
}

// However it is cut, the same comes of it, and nothing before it is whole.
TEST(HeadTest, InPieces) {
  const std::string input =
      WithCrlf("\nPUT /a HTTP/1.1\nHost: a\nContent-Length: 12\nExpect: 100-continue\n\n");
  HeadReader reader;
  Head head;
  for (size_t bytes = 0; bytes < input.size(); ++bytes) {
    const HeadReader::Result result = reader.Read(absl::string_view(input).substr(0, bytes), &head);
    ASSERT_EQ(result.consumed, 0u) << bytes;
    ASSERT_EQ(result.refusal.status, 0) << bytes << " " << result.refusal.reason;
  }
  EXPECT_EQ(reader.Read(input, &head).consumed, input.size());
  EXPECT_EQ(head.content_length, 12u);
  EXPECT_TRUE(head.expects_continue);
  // And the reader is as new.
  EXPECT_EQ(reader.Read(input, &head).consumed, input.size());
}

TEST(HeadTest, Versions) {
  EXPECT_EQ(StatusOf("GET / HTTP/1.0\n\n"), 0);
  EXPECT_EQ(StatusOf("GET / HTTP/1.7\nHost: a\n\n"), 0);
  EXPECT_EQ(StatusOf("GET / HTTP/2.0\nHost: a\n\n"), 505);
  EXPECT_EQ(StatusOf("GET / HTTP/0.9\nHost: a\n\n"), 505);
  for (const char* version : {"HTTP/1", "HTTP/1.", "HTTP/11", "HTTP/1.11", "http/1.1", "HTTP/1.x",
                              "HTTP /1.1", "FTP/1.1", ""}) {
    EXPECT_EQ(StatusOf(absl::StrCat("GET / ", version, "\nHost: a\n\n")), 400) << version;
  }
}

TEST(HeadTest, RequestLines) {
  for (const char* line :
       {"GET", "GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1",
        "GET /a b HTTP/1.1", "G\"T / HTTP/1.1", "GET\t/ HTTP/1.1", "GET /\t HTTP/1.1",
        "GET /#f HTTP/1.1", "GET /\x01 HTTP/1.1", "GET /\x7f HTTP/1.1", "(ET / HTTP/1.1"}) {
    EXPECT_EQ(StatusOf(absl::StrCat(line, "\nHost: a\n\n")), 400) << line;
  }
  EXPECT_EQ(StatusOf("M-SEARCH * HTTP/1.1\nHost: a\n\n"), 0) << "what it is, others decide";
  EXPECT_EQ(StatusOf("\nGET / HTTP/1.1\nHost: a\n\n"), 0);
  EXPECT_EQ(StatusOf("\n\nGET / HTTP/1.1\nHost: a\n\n"), 400) << "one empty line, not two";
}

TEST(HeadTest, LengthsOfBodies) {
  EXPECT_EQ(StatusOfFields("Content-Length: 0\n"), 0);
  EXPECT_EQ(StatusOfFields("Content-Length: 9223372036854775807\n"), 0);
  for (const char* length : {"+1", "-1", "1 1", "1_0", "0x10", "", "1,1", "1, 1", "1.0",
                             "9223372036854775808", "99999999999999999999999", "\"1\"", "1;1"}) {
    EXPECT_EQ(StatusOfFields(absl::StrCat("Content-Length: ", length, "\n")), 400) << length;
  }
  EXPECT_EQ(StatusOfFields("Content-Length: 1\nContent-Length: 2\n"), 400);
  EXPECT_EQ(StatusOfFields("Content-Length: 1\ncontent-length: 1\n"), 400);
  EXPECT_EQ(StatusOfFields("Content-Length: 1\nTransfer-Encoding: chunked\n"), 400);
  EXPECT_EQ(StatusOfFields("Transfer-Encoding: chunked\nContent-Length: 1\n"), 400);
}

TEST(HeadTest, TransferCodings) {
  EXPECT_EQ(StatusOfFields("Transfer-Encoding: chunked\n"), 0);
  EXPECT_EQ(StatusOfFields("transfer-encoding:\tCHUNKED\n"), 0);
  for (const char* coding : {"identity", "gzip", "gzip, chunked", "xchunked", "chunked;q=1",
                             "\"chunked\"", "chunked chunked"}) {
    EXPECT_EQ(StatusOfFields(absl::StrCat("Transfer-Encoding: ", coding, "\n")), 501) << coding;
  }
  for (const char* coding : {"chunked, chunked", "chunked, gzip", "chunked, identity", "", ",",
                             "chunked,", ",chunked", "chunked, ,", "gzip,, chunked"}) {
    EXPECT_EQ(StatusOfFields(absl::StrCat("Transfer-Encoding: ", coding, "\n")), 400) << coding;
  }
  EXPECT_EQ(StatusOfFields("Transfer-Encoding: chunked\nTransfer-Encoding: chunked\n"), 400);
  EXPECT_EQ(StatusOfFields("Transfer-Encoding: gzip\nTransfer-Encoding: chunked\n"), 501);
  EXPECT_EQ(StatusOfFields("Transfer-Encoding: chunked\nTransfer-Encoding:\n"), 400);
  EXPECT_EQ(StatusOfFields("Transfer-Encoding:\nTransfer-Encoding: chunked\n"), 400);
  EXPECT_EQ(StatusOfFields("Transfer-Encoding: \x0b"
                           "chunked\n"),
            400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.0\nTransfer-Encoding: chunked\n\n"), 400);
}

TEST(HeadTest, Fields) {
  for (const char* line : {"Name : value", "Name\t: value", " Name: value", "\tfolded", ": value",
                           "no colon", "N@me: value", "Nam\xc3\xa9: value",
                           "Name: a\x01"
                           "b",
                           "Name: a\x7f"
                           "b"}) {
    EXPECT_EQ(StatusOfFields(absl::StrCat(line, "\n")), 400) << line;
    EXPECT_EQ(StatusOf(absl::StrCat("GET / HTTP/1.1\n", line, "\nHost: a\n\n")), 400) << line;
  }
  EXPECT_EQ(StatusOfFields("Name: \xc3\xa9\tx\n"), 0);
  EXPECT_EQ(StatusOfFields("A: b\n folded\n"), 400);
  Head head;
  std::string nul = "GET / HTTP/1.1\r\nHost: a\r\nA: b?c\r\n\r\n";
  nul[nul.find('?')] = '\0';
  EXPECT_EQ(ReadWhole(nul, &head).refusal.status, 400);
}

TEST(HeadTest, Hosts) {
  for (const char* host : {"a", "a.example:80", "127.0.0.1", "[::1]:8080", "a:", "", "a_b",
                           "%C3%a4.example", "[::ffff:127.0.0.1]"})
    EXPECT_EQ(StatusOf(absl::StrCat("GET / HTTP/1.1\nHost: ", host, "\n\n")), 0) << host;
  for (const char* host : {"a/b",         "a b",        "a@b",    "a:b", "[::1", "::1",   "a\\b",
                           "a,b:c",       "[]",         "a?",     ":80", ":",    "[abc]", "[:::::]",
                           "[127.0.0.1]", "[::1%25lo]", "[::1]a", "a%",  "a%4",  "a%zz"})
    EXPECT_EQ(StatusOf(absl::StrCat("GET / HTTP/1.1\nHost: ", host, "\n\n")), 400) << host;
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\n\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.0\n\n"), 0);
  EXPECT_EQ(StatusOf("GET / HTTP/1.1\nHost: a\nHost: a\n\n"), 400);
  EXPECT_EQ(StatusOf("GET / HTTP/1.0\nHost: a\nHost: b\n\n"), 400);
}

// Neither may stand alone, wherever.
TEST(HeadTest, BareCrAndLf) {
  Head head;
  for (const char* text :
       {"GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\rHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\rb: c\r\n\r\n",
        "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"}) {
    EXPECT_EQ(ReadWhole(text, &head).refusal.status, 400) << text;
  }
}

TEST(HeadTest, Persistence) {
  const auto stays = [](absl::string_view text) {
    Head head;
    const std::string input = WithCrlf(text);
    EXPECT_EQ(ReadWhole(input, &head).refusal.status, 0);
    return head.keep_alive;
  };
  EXPECT_TRUE(stays("GET / HTTP/1.1\nHost: a\n\n"));
  EXPECT_FALSE(stays("GET / HTTP/1.1\nHost: a\nConnection: Close\n\n"));
  EXPECT_FALSE(stays("GET / HTTP/1.1\nHost: a\nConnection: keep-alive, close\n\n"));
  EXPECT_FALSE(stays("GET / HTTP/1.0\n\n"));
  EXPECT_TRUE(stays("GET / HTTP/1.0\nConnection: Keep-Alive\n\n"));
  EXPECT_FALSE(stays("GET / HTTP/1.0\nConnection: close\nConnection: keep-alive\n\n"));
}

// Of a field that may be there once alone, two say nothing.
TEST(HeadTest, FieldsByName) {
  Head head;
  const std::string input =
      WithCrlf("GET / HTTP/1.1\nHost: a\nRange: b\nrange: c\nAccept: d\nX: e\n\n");
  ASSERT_EQ(ReadWhole(input, &head).refusal.status, 0);
  EXPECT_EQ(head.Find("range"), "b");
  EXPECT_EQ(head.FindOnly("range"), "");
  EXPECT_EQ(head.FindOnly("ACCEPT"), "d");
  EXPECT_EQ(head.FindOnly("y"), "");
}

TEST(HeadTest, Expectations) {
  EXPECT_EQ(StatusOfFields("Expect: 100-Continue\n"), 0);
  EXPECT_EQ(StatusOfFields("Expect: 200-ok\n"), 417);
  Head head;
  const std::string old = WithCrlf("PUT / HTTP/1.0\nExpect: 100-continue\n\n");
  EXPECT_EQ(ReadWhole(old, &head).refusal.status, 0);
  EXPECT_FALSE(head.expects_continue);
}

// Others' words are told at once, before they are whole.
TEST(HeadTest, Strangers) {
  Head head;
  for (const absl::string_view input :
       {absl::string_view("\x16\x03\x01"), absl::string_view("PROXY TCP4"),
        absl::string_view("\r\n\r\n\0\r\nQUIT\n", 12), absl::string_view("PRI * HTTP/2.0\r\n")}) {
    EXPECT_EQ(ReadWhole(input, &head).refusal.status, 400) << input;
  }
}

TEST(HeadTest, Bounds) {
  Head head;
  const std::string fields(16 * 1024, 'x');
  EXPECT_EQ(StatusOfFields(absl::StrCat("A: ", fields, "\n")), 0) << "16 KiB are taken";
  EXPECT_EQ(ReadWhole("GET /" + std::string(kHeadBytesMax, 'x'), &head).refusal.status, 414);
  EXPECT_EQ(
      ReadWhole("GET / HTTP/1.1\r\nA: " + std::string(kHeadBytesMax, 'x'), &head).refusal.status,
      431);
  std::string many = "GET / HTTP/1.1\nHost: a\n";
  for (int i = 0; i < 99; ++i) many += absl::StrCat("A", i, ": b\n");
  EXPECT_EQ(StatusOf(many + "\n"), 0);
  EXPECT_EQ(StatusOf(many + "One-more: b\n\n"), 431);
}

}  // namespace
}  // namespace objmapper::protocol::http
