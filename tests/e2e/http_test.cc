// HTTP/1.1 on the listeners, byte by byte: docs/http.md, in every model.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/http_client.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

class HttpTest : public SetupTest {
 protected:
  HttpClient Http() const { return HttpClient(Connect(Server(), GetParam().transport)); }
};

// ---- Objects ----

TEST_P(HttpTest, GetsObjects) {
  HttpClient client = Http();
  for (const size_t bytes : {0u, 1u, 1000u, 4096u, 20'000u, 100'000u, 3'000'000u}) {
    const std::string name = absl::StrCat("http/of ", bytes, " bytes");
    const std::string content = Pattern(bytes, bytes);
    SharedTree().AddOnce(name, content);
    const std::string path = absl::StrCat("/", absl::StrReplaceAll(name, {{" ", "%20"}}));
    const Reply reply = client.Get(path);
    EXPECT_EQ(reply.status, 200) << bytes;
    EXPECT_TRUE(reply.body == content) << bytes;
    EXPECT_EQ(reply.Field("Accept-Ranges"), "bytes");
    EXPECT_EQ(reply.Field("Content-Type"), "application/octet-stream");
    EXPECT_FALSE(reply.Field("Date").empty() || reply.Field("Last-Modified").empty());
    EXPECT_FALSE(reply.closes());

    client.Say(absl::StrCat("HEAD ", path, " HTTP/1.1\nHost: localhost\n\n"));
    const Reply head = client.Next(/*head_only=*/true);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(head.Field("Content-Length"), absl::StrCat(bytes));
    EXPECT_EQ(head.Field("ETag"), reply.Field("ETag"));
  }
}

// The version is the one that STAT tells.
TEST_P(HttpTest, TheEtagIsTheProtocols) {
  SharedTree().AddOnce("http/a", "what a holds");
  RawClient own = Open(Server(), GetParam().transport, Dialect::kV2);
  const Answer stat = own.Get({.mode = kStat, .uri = "http/a"});
  EXPECT_EQ(Http().Get("/http/a").Field("ETag"),
            absl::StrCat("\"", stat.metadata.at(kEtagEntry), "\""));
}

TEST_P(HttpTest, Misses) {
  HttpClient client = Http();
  EXPECT_EQ(client.Get("/http/missing").status, 404);
  EXPECT_EQ(client.Get("/../etc/passwd").status, 403);
  EXPECT_EQ(client.Get("/%2e%2e/etc/passwd").status, 403);
  EXPECT_EQ(client.Get("/a%00b").status, 400);
  EXPECT_EQ(client.Get("/a%zz").status, 400);
  EXPECT_EQ(client.Get(absl::StrCat("/", std::string(4097, 'a'))).status, 414);
  const Reply missing = client.Get("/http/missing");
  EXPECT_EQ(missing.Field("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_TRUE(absl::EndsWith(missing.body, "\n"));
  EXPECT_FALSE(missing.closes()) << "a miss ends nothing";
}

TEST_P(HttpTest, Methods) {
  SharedTree().AddOnce("http/a", "what a holds");
  HttpClient client = Http();
  const auto ask = [&](absl::string_view line) {
    client.Say(absl::StrCat(line, " HTTP/1.1\nHost: localhost\n\n"));
    return client.Next();
  };
  const Reply options = ask("OPTIONS *");
  EXPECT_EQ(options.status, 204);
  EXPECT_TRUE(absl::StrContains(options.Field("Allow"), "GET, HEAD, OPTIONS"));
  EXPECT_EQ(ask("OPTIONS /http/a").status, 204);
  const Reply post = ask("POST /http/a");
  EXPECT_EQ(post.status, 405);
  EXPECT_TRUE(absl::StrContains(post.Field("Allow"), "GET"));
  EXPECT_EQ(ask("TRACE /http/a").status, 405);
  EXPECT_EQ(ask("PUT /http/a").status, 405) << "the server is read-only";
  EXPECT_EQ(ask("DELETE /http/a").status, 405);
  EXPECT_EQ(ask("BREW /http/a").status, 501);
  EXPECT_EQ(client.Get("/http/a").body, "what a holds") << "nothing of that ends the connection";
}

TEST_P(HttpTest, Ranges) {
  for (const size_t bytes : {100u, 200'000u, 5'000'000u}) {
    const std::string name = absl::StrCat("http/ranges_", bytes);
    const std::string content = Pattern(bytes, bytes);
    SharedTree().AddOnce(name, content);
    HttpClient client = Http();
    const auto get = [&](absl::string_view range) {
      return client.Get(absl::StrCat("/", name), absl::StrCat("Range: bytes=", range, "\n"));
    };
    const Reply first = get("0-0");
    EXPECT_EQ(first.status, 206);
    EXPECT_EQ(first.body, content.substr(0, 1));
    EXPECT_EQ(first.Field("Content-Range"), absl::StrCat("bytes 0-0/", bytes));
    EXPECT_TRUE(get("10-").body == content.substr(10));
    EXPECT_TRUE(get("-7").body == content.substr(bytes - 7));
    EXPECT_TRUE(get("5-99999999999999999999999").body == content.substr(5));
    const Reply past = get(absl::StrCat(bytes, "-"));
    EXPECT_EQ(past.status, 416);
    EXPECT_EQ(past.Field("Content-Range"), absl::StrCat("bytes */", bytes));
    EXPECT_EQ(get("5-3").status, 200) << "what is no range is ignored";

    const Reply several = get("0-3,50-59,-4");
    EXPECT_EQ(several.status, 206);
    const std::string type = several.Field("Content-Type");
    ASSERT_TRUE(absl::StartsWith(type, "multipart/byteranges; boundary=")) << type;
    const std::string boundary = type.substr(type.find('=') + 1);
    std::string wanted;
    const std::pair<size_t, size_t> parts[] = {{0, 4}, {50, 10}, {bytes - 4, 4}};
    for (const auto& [offset, length] : parts) {
      absl::StrAppend(&wanted, wanted.empty() ? "" : "\r\n", "--", boundary,
                      "\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ", offset,
                      "-", offset + length - 1, "/", bytes, "\r\n\r\n",
                      content.substr(offset, length));
    }
    absl::StrAppend(&wanted, "\r\n--", boundary, "--\r\n");
    EXPECT_TRUE(several.body == wanted) << bytes;
    if (bytes > 200'000) {
      const Reply large = get(absl::StrCat("1-2999999,4000000-", bytes - 2));
      EXPECT_TRUE(absl::StrContains(large.body, content.substr(1, 2'999'999)));
      EXPECT_TRUE(absl::StrContains(large.body, content.substr(4'000'000, bytes - 4'000'001)));
      EXPECT_EQ(client.Get("/http/missing").status, 404) << "and the next answer is in its place";
    }
  }
}

TEST_P(HttpTest, Preconditions) {
  SharedTree().AddOnce("http/a", "what a holds");
  HttpClient client = Http();
  const Reply whole = client.Get("/http/a");
  const std::string etag = whole.Field("ETag");
  EXPECT_EQ(client.Get("/http/a", absl::StrCat("If-None-Match: ", etag, "\n")).status, 304);
  EXPECT_EQ(client.Get("/http/a", "If-None-Match: \"other\"\n").status, 200);
  EXPECT_EQ(
      client.Get("/http/a", absl::StrCat("If-Modified-Since: ", whole.Field("Last-Modified"), "\n"))
          .status,
      304);
  EXPECT_EQ(client.Get("/http/a", "If-Match: \"other\"\n").status, 412);
  EXPECT_EQ(client.Get("/http/a", absl::StrCat("If-Match: ", etag, "\n")).status, 200);
  EXPECT_EQ(client.Get("/http/a", "Range: bytes=0-1\nIf-Range: \"other\"\n").status, 200);
  EXPECT_EQ(client.Get("/http/a", absl::StrCat("Range: bytes=0-1\nIf-Range: ", etag, "\n")).status,
            206);
  EXPECT_EQ(client.Get("/http/missing", "If-None-Match: *\n").status, 404);
}

// ---- The connection ----

TEST_P(HttpTest, PipelinedRequestsAreAnsweredInOrder) {
  std::string requests;
  for (int i = 0; i < 300; ++i) {
    SharedTree().AddOnce(absl::StrCat("http/p", i % 7), absl::StrCat("object ", i % 7));
    absl::StrAppend(&requests, "GET /http/p", i % 7, " HTTP/1.1\nHost: localhost\n\n");
  }
  HttpClient client = Http();
  client.Say(requests);
  for (int i = 0; i < 300; ++i) ASSERT_EQ(client.Next().body, absl::StrCat("object ", i % 7)) << i;
}

TEST_P(HttpTest, ByteByByte) {
  SharedTree().AddOnce("http/a", "what a holds");
  HttpClient client = Http();
  client.wire().SendByteByByte("\r\nGET /http/a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(client.Next().body, "what a holds");
}

// What is behind a request that closes is never answered.
TEST_P(HttpTest, Closes) {
  SharedTree().AddOnce("http/a", "what a holds");
  HttpClient client = Http();
  client.Say(
      "GET /http/a HTTP/1.1\nHost: localhost\nConnection: close\n\n"
      "GET /http/a HTTP/1.1\nHost: localhost\n\n");
  const Reply reply = client.Next();
  EXPECT_EQ(reply.body, "what a holds");
  EXPECT_TRUE(reply.closes());
  EXPECT_TRUE(client.AtEnd());
}

TEST_P(HttpTest, OlderClients) {
  SharedTree().AddOnce("http/a", "what a holds");
  HttpClient once = Http();
  once.Say("GET /http/a HTTP/1.0\n\n");
  EXPECT_TRUE(once.Next().closes());
  EXPECT_TRUE(once.AtEnd());
  HttpClient again = Http();
  for (int i = 0; i < 3; ++i) {
    again.Say("GET /http/a HTTP/1.0\nConnection: keep-alive\n\n");
    EXPECT_EQ(again.Next().Field("Connection"), "keep-alive");
  }
}

// Who has said all still gets all.
TEST_P(HttpTest, HalfClosed) {
  const std::string content = Pattern(1, 3'000'000);
  SharedTree().AddOnce("http/half", content);
  HttpClient client = Http();
  client.Say("GET /http/half HTTP/1.1\nHost: localhost\n\n");
  client.wire().HalfClose();
  EXPECT_TRUE(client.Next().body == content);
  EXPECT_TRUE(client.AtEnd());
}

TEST_P(HttpTest, HalfARequest) {
  HttpClient client = Http();
  client.Say("GET /http/a HTTP/1.1\nHost: loc");
  client.wire().HalfClose();
  EXPECT_EQ(client.Next().status, 400);
  EXPECT_TRUE(client.AtEnd());
}

// A body that nobody asked for is dropped, whether it is counted or in chunks.
TEST_P(HttpTest, UnwantedBodies) {
  SharedTree().AddOnce("http/a", "what a holds");
  HttpClient client = Http();
  client.Say("GET /http/a HTTP/1.1\nHost: localhost\nContent-Length: 5\n\nGET /");
  EXPECT_EQ(client.Next().body, "what a holds");
  client.Say(
      "GET /http/a HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n5\nfirst\n0\n\n");
  EXPECT_EQ(client.Next().body, "what a holds");
  EXPECT_EQ(client.Get("/http/a").status, 200);
  client.Say("GET /http/a HTTP/1.1\nHost: localhost\nContent-Length: 1000000\n\n");
  const Reply refused = client.Next();
  EXPECT_EQ(refused.status, 413);
  EXPECT_TRUE(refused.closes());
}

// Who waits to be told that a body is wanted, is told at once that it is not; what there is of the
// body, and what may be still to come, is nothing that the server has.
TEST_P(HttpTest, BodiesThatAreAskedForFirst) {
  SharedTree().AddOnce("http/a", "what a holds");
  for (const char* framing : {"Content-Length: 1000", "Transfer-Encoding: chunked"}) {
    for (const char* begun : {"", "1"}) {
      HttpClient client = Http();
      client.Say(absl::StrCat("GET /http/a HTTP/1.1\nHost: localhost\nExpect: 100-continue\n",
                              framing, "\n\n", begun));
      const Reply reply = client.Next();
      EXPECT_EQ(reply.body, "what a holds") << framing;
      EXPECT_TRUE(reply.closes()) << framing;
      EXPECT_TRUE(client.AtEnd()) << framing;
    }
  }
}

// ---- Framing ----

// Each is refused, and nothing behind it is answered (request smuggling).
TEST_P(HttpTest, NothingIsAnsweredBehindWhatIsUnsound) {
  SharedTree().AddOnce("http/a", "what a holds");
  const std::pair<int, const char*> kCases[] = {
      {400, "GET /http/a HTTP/1.1\n\n"},
      {400, "GET /http/a HTTP/1.1\nHost: a\nHost: b\n\n"},
      {400, "GET /http/a HTTP/1.1\nHost: a/b\n\n"},
      {400, "GET /http/a HTTP/1.1\nHost: a\nContent-Length: 1\nTransfer-Encoding: chunked\n\n"},
      {400, "GET /http/a HTTP/1.1\nHost: a\nContent-Length: 1\nContent-Length: 2\n\n"},
      {400, "GET /http/a HTTP/1.1\nHost: a\nContent-Length: +1\n\nx"},
      {400, "GET /http/a HTTP/1.1\nHost: a\nContent-Length: 0x1\n\nx"},
      {400, "GET /http/a HTTP/1.1\nHost: a\nTransfer-Encoding: chunked, chunked\n\n0\n\n"},
      {501, "GET /http/a HTTP/1.1\nHost: a\nTransfer-Encoding: xchunked\n\n0\n\n"},
      {501, "GET /http/a HTTP/1.1\nHost: a\nTransfer-Encoding: identity\n\n"},
      {400, "GET /http/a HTTP/1.0\nTransfer-Encoding: chunked\n\n0\n\n"},
      {400, "GET /http/a HTTP/1.1\nHost : a\n\n"},
      {400, "GET /http/a HTTP/1.1\nHost: a\nX: y\n folded\n\n"},
      {400, "GET /http/a HTTP/1.1\n Host: a\n\n"},
      {400, "GET /http/a HTTP/1.1\nHost: a\nX: y\x01\n\n"},
      {400, "GET /http/a  HTTP/1.1\nHost: a\n\n"},
      {400, "GET /http/a#b HTTP/1.1\nHost: a\n\n"},
      {400,
       "GET /http/a HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n+5\nfirst\n0\n\n"},
      {400,
       "GET /http/a HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n5\nfirstX\n0\n\n"},
      {417, "GET /http/a HTTP/1.1\nHost: a\nExpect: more\n\n"},
      {505, "GET /http/a HTTP/2.0\nHost: a\n\n"},
      {400, "PRI * HTTP/2.0\n\nSM\n\n"},
      {400, "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\n"},
      {400, "\x16\x03\x01\x02"},
  };
  for (const auto& [status, request] : kCases) {
    HttpClient client = Http();
    client.Say(absl::StrCat(request, "GET /http/a HTTP/1.1\nHost: localhost\n\n"));
    const Reply reply = client.Next();
    EXPECT_EQ(reply.status, status) << request;
    EXPECT_TRUE(reply.closes()) << request;
    EXPECT_TRUE(client.AtEnd()) << request;
  }
  for (const char* bytes : {"GET /http/a HTTP/1.1\nHost: localhost\n\n",
                            "GET /http/a HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n"}) {
    HttpClient client = Http();
    client.wire().Send(absl::StrCat(bytes, "GET /http/a HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    EXPECT_EQ(client.Next().status, 400) << bytes;
    EXPECT_TRUE(client.AtEnd());
  }
}

TEST_P(HttpTest, HeadsHaveBounds) {
  HttpClient within = Http();
  EXPECT_EQ(within.Get("/http/missing", absl::StrCat("X: ", std::string(16'384, 'x'), "\n")).status,
            404);
  HttpClient line = Http();
  line.Say(absl::StrCat("GET /", std::string(40'000, 'x')));
  EXPECT_EQ(line.Next().status, 414);
  HttpClient fields = Http();
  fields.Say(absl::StrCat("GET / HTTP/1.1\nX: ", std::string(40'000, 'x')));
  EXPECT_EQ(fields.Next().status, 431);
}

// A page of a stranger's cannot read what is here by a name of its own for 127.0.0.1.
TEST_P(HttpTest, HostsOnLoopback) {
  SharedTree().AddOnce("http/a", "what a holds");
  HttpClient client = Http();
  const auto get = [&](absl::string_view host) {
    client.Say(absl::StrCat("GET /http/a HTTP/1.1\nHost: ", host, "\n\n"));
    return client.Next().status;
  };
  EXPECT_EQ(get("localhost"), 200);
  EXPECT_EQ(get("LOCALHOST:80"), 200);
  EXPECT_EQ(get("127.0.0.1"), 200);
  EXPECT_EQ(get("[::1]:80"), 200);
  EXPECT_EQ(get("evil.example"), GetParam().is_unix() ? 200 : 421);
}

INSTANTIATE_TEST_SUITE_P(All, HttpTest,
                         testing::ValuesIn(Setups({Transport::kUnix, Transport::kTcp},
                                                  {Dialect::kV1})),
                         SetupName);

// ---- Flags ----

class HttpFlagTest : public EngineTest {};

TEST_P(HttpFlagTest, Off) {
  ServerProcess server(SharedTree().root(), {.engine = GetParam(), .flags = {"--http=false"}});
  RawClient client = RawClient::V1(server.Unix());
  client.wire().Send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const Answer answer = client.Next();
  ExpectRefused(answer, Status::kInvalidMode);
}

TEST_P(HttpFlagTest, OtherHosts) {
  SharedTree().AddOnce("http/a", "what a holds");
  ServerProcess server(SharedTree().root(),
                       {.engine = GetParam(), .flags = {"--http_hosts=here.example"}});
  HttpClient client(server.Tcp());
  client.Say("GET /http/a HTTP/1.1\nHost: here.example:80\n\n");
  EXPECT_EQ(client.Next().status, 200);
  client.Say("GET /http/a HTTP/1.1\nHost: there.example\n\n");
  EXPECT_EQ(client.Next().status, 421);
}

// What is answered while the server drains says that it is the last.
TEST_P(HttpFlagTest, Drain) {
  const std::string content = Pattern(1, 3'000'000);
  SharedTree().AddOnce("http/half", content);
  ServerProcess server(SharedTree().root(), {.engine = GetParam()});
  HttpClient idle(server.Unix());
  SharedTree().AddOnce("http/a", "what a holds");
  EXPECT_EQ(idle.Get("/http/a").status, 200);
  HttpClient busy(server.Unix());
  busy.Say("GET /http/half HTTP/1.1\nHost: localhost\n\n");
  EXPECT_EQ(busy.wire().Read(9), "HTTP/1.1 ");
  server.Signal(SIGTERM);
  EXPECT_TRUE(idle.AtEnd());
  EXPECT_TRUE(absl::EndsWith(busy.wire().ReadToEnd(), content));
  EXPECT_EQ(server.WaitForExit(), 0);
}

// One server takes over from another: a connection that rests, and half a request, go along.
TEST_P(HttpFlagTest, HandOver) {
  SharedTree().AddOnce("http/a", "what a holds");
  const TempDir directory;
  const ServerOptions options = {.engine = GetParam(),
                                 .flags = {"--take_over=" + directory.path() + "/door"},
                                 .socket_path = directory.path() + "/socket"};
  ServerProcess first(SharedTree().root(), options);
  HttpClient resting(first.Unix());
  EXPECT_EQ(resting.Get("/http/a").body, "what a holds");
  HttpClient half(first.Tcp());
  EXPECT_EQ(half.Get("/http/a").body, "what a holds");
  half.Say("GET /http/a HTTP/1.1\nHo");
  ServerProcess second(SharedTree().root(), options);
  EXPECT_EQ(first.WaitForExit(), 0);
  const Reply reply = resting.Get("/http/a");
  EXPECT_EQ(reply.body, "what a holds");
  EXPECT_FALSE(reply.closes());
  half.Say("st: localhost\n\n");
  EXPECT_EQ(half.Next().body, "what a holds");
  EXPECT_EQ(second.Stop(SIGTERM), 0);
}

// The last answer that a connection may have says so.
TEST_P(HttpFlagTest, RequestsPerConnection) {
  SharedTree().AddOnce("http/a", "what a holds");
  ServerProcess server(SharedTree().root(),
                       {.engine = GetParam(), .flags = {"--requests_per_conn=3"}});
  HttpClient client(server.Unix());
  EXPECT_FALSE(client.Get("/http/a").closes());
  EXPECT_FALSE(client.Get("/http/missing").closes());
  EXPECT_TRUE(client.Get("/http/a").closes());
  EXPECT_TRUE(client.AtEnd());
  HttpClient pipelined(server.Tcp());
  for (int i = 0; i < 5; ++i) pipelined.Say("GET /http/a HTTP/1.1\nHost: localhost\n\n");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(pipelined.Next().closes(), i == 2);
  EXPECT_TRUE(pipelined.AtEnd());
}

// One connection too many is told so in HTTP, whether it asks at once, byte by byte, or late; one
// that says nothing is told in the server's own protocol after a moment.
TEST_P(HttpFlagTest, TooManyConnections) {
  SharedTree().AddOnce("http/a", "what a holds");
  ServerProcess server(SharedTree().root(),
                       {.engine = GetParam(), .flags = {"--max_connections=1"}});
  HttpClient first(server.Tcp());
  EXPECT_EQ(first.Get("/http/a").status, 200);
  for (const bool byte_by_byte : {false, true}) {
    HttpClient refused(server.Unix());
    const absl::string_view get = "GET /http/a HTTP/1.1\r\nHost: localhost\r\n\r\n";
    if (byte_by_byte) {
      refused.wire().SendByteByByte(get.substr(0, 2));
    } else {
      refused.wire().Send(get);
    }
    const Reply reply = refused.Next();
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(reply.Field("Retry-After"), "1");
    EXPECT_TRUE(reply.closes() && refused.AtEnd());
  }
  HttpClient silent(server.Unix());
  EXPECT_EQ(silent.wire().Read(1), "\x14") << "UNAVAILABLE, in V1";
  EXPECT_EQ(first.Get("/http/a").status, 200);
}

TEST_P(HttpFlagTest, CacheControlAndCors) {
  SharedTree().AddOnce("http/a", "what a holds");
  ServerProcess server(SharedTree().root(), {.engine = GetParam(),
                                             .flags = {"--http_cache_control=public, max-age=60",
                                                       "--http_cors_origins=https://app.example"}});
  HttpClient client(server.Unix());
  const Reply plain = client.Get("/http/a");
  EXPECT_EQ(plain.Field("Cache-Control"), "public, max-age=60");
  EXPECT_EQ(plain.Field("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(client.Get("/http/missing").Field("Cache-Control"), "");
  const std::string origin = "Origin: https://app.example\n";
  for (const absl::string_view path : {"/http/a", "/http/missing"}) {
    EXPECT_EQ(client.Get(path, origin).Field("Access-Control-Allow-Origin"), "https://app.example");
  }
  EXPECT_EQ(
      client.Get("/http/a", "Origin: https://other.example\n").Field("Access-Control-Allow-Origin"),
      "");
  const Reply before =
      client.Ask("OPTIONS", "/http/a", origin + "Access-Control-Request-Method: GET\n");
  EXPECT_EQ(before.status, 204);
  EXPECT_TRUE(absl::StrContains(before.Field("Access-Control-Allow-Headers"), "Range"));
  EXPECT_TRUE(absl::StrContains(before.Field("Access-Control-Allow-Methods"), "GET"));
}

// A line for each answer, in the file that has the name.
TEST_P(HttpFlagTest, AccessLog) {
  SharedTree().AddOnce("http/a", "what a holds");
  const TempDir directory;
  const std::string log = directory.path() + "/access";
  for (const bool json : {false, true}) {
    unlink(log.c_str());
    ServerProcess server(
        SharedTree().root(),
        {.engine = GetParam(),
         .flags = {"--http_access_log=" + log,
                   absl::StrCat("--http_access_log_format=", json ? "json" : "combined")}});
    const auto lines = [&](const std::string& path, size_t wanted) {
      std::vector<std::string> found;
      const absl::Time until = absl::Now() + absl::FromChrono(kPatience);
      do {
        std::ifstream file(path);
        found.clear();
        for (std::string line; std::getline(file, line);) found.push_back(line);
      } while (found.size() < wanted && absl::Now() < until);
      EXPECT_EQ(found.size(), wanted);
      found.resize(wanted);
      return found;
    };
    HttpClient client(server.Tcp());
    client.Get("/http/a?x=1", "Referer: \"there\"\nUser-Agent: of the \\ test\n");
    client.Ask("HEAD", "/http/missing");
    client.Say("GET http/a HTTP/1.1\nHost: localhost\n\n");
    EXPECT_EQ(client.Next().status, 400);
    const std::vector<std::string> found = lines(log, 3);
    if (json) {
      EXPECT_TRUE(absl::StrContains(found[0], R"("request":"GET /http/a?x=1 HTTP/1.1")"))
          << found[0];
      EXPECT_TRUE(absl::StrContains(found[0], R"("object":"http/a","status":200,"body_bytes":12)"));
      EXPECT_TRUE(absl::StrContains(found[0], R"("user_agent":"of the \u005c test")")) << found[0];
    } else {
      EXPECT_TRUE(absl::StartsWith(found[0], "127.0.0.1 - - [")) << found[0];
      EXPECT_TRUE(absl::EndsWith(
          found[0],
          R"( +0000] "GET /http/a?x=1 HTTP/1.1" 200 12 "\x22there\x22" "of the \x5C test")"))
          << found[0];
      EXPECT_TRUE(absl::EndsWith(found[1], R"("HEAD /http/missing HTTP/1.1" 404 0 "-" "-")"))
          << found[1];
      EXPECT_TRUE(absl::StrContains(found[2], "\" 400 ")) << found[2];
    }
    // Rotated.
    const std::string old = log + ".1";
    ASSERT_EQ(rename(log.c_str(), old.c_str()), 0);
    server.Signal(SIGUSR1);
    const absl::Time until = absl::Now() + absl::FromChrono(kPatience);
    while (access(log.c_str(), F_OK) != 0 && absl::Now() < until)
      absl::SleepFor(absl::Milliseconds(5));
    HttpClient over_unix(server.Unix());
    over_unix.Get("/http/a");
    EXPECT_TRUE(absl::StrContains(lines(log, 1)[0], "unix:"));
    EXPECT_EQ(lines(old, 3).size(), 3u);
    EXPECT_EQ(server.Stop(SIGTERM), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(All, HttpFlagTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
