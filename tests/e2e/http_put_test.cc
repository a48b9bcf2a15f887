// PUT and DELETE by HTTP: docs/http.md, on every engine and in every model.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/http_client.h"
#include "tests/e2e/metrics.h"
#include "tests/e2e/writable.h"
#include "tests/storage/names_below.h"

namespace objmapper::e2e {
namespace {

constexpr Transport kBoth[] = {Transport::kUnix, Transport::kTcp};

// `body` in chunks of so many bytes, with extensions and a trailer.
std::string Chunked(absl::string_view body, size_t chunk) {
  std::string text;
  for (size_t at = 0; at < body.size(); at += chunk) {
    const absl::string_view part = body.substr(at, chunk);
    absl::StrAppend(&text, absl::Hex(part.size()), at % 2 == 0 ? "" : ";of=it", "\r\n", part,
                    "\r\n");
  }
  return absl::StrCat(text, "0\r\nTrailer: dropped\r\n\r\n");
}

class HttpPutTest : public WritableTest {
 protected:
  HttpClient Http(Transport transport = Transport::kUnix) {
    return HttpClient(Connect(Server(), transport));
  }
  std::set<std::string> Files() const {
    return storage::NamesBelow(tree_.root(), storage::Which::kFiles);
  }
  // Waits until these are all there is, temporary names included.
  void ExpectFiles(const std::set<std::string>& wanted) const {
    const absl::Time until = absl::Now() + absl::FromChrono(kPatience);
    while (Files() != wanted && absl::Now() < until) absl::SleepFor(absl::Milliseconds(5));
    EXPECT_EQ(Files(), wanted);
  }
  Reply PutChunked(HttpClient* client, absl::string_view path, absl::string_view body, size_t chunk,
                   absl::string_view fields = "") {
    client->Say(absl::StrCat(
        "PUT ", path, " HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n", fields, "\n"));
    client->wire().Send(Chunked(body, chunk));
    return client->Next();
  }
};
INSTANTIATE_TEST_SUITE_P(Everything, HttpPutTest, testing::ValuesIn(kEverything), EngineName);

// What is stored is there, with the ETag that the answer told; what replaces it says so.
TEST_P(HttpPutTest, WhatIsStoredComesBack) {
  for (const Transport transport : kBoth) {
    HttpClient client = Http(transport);
    uint64_t seed = 0;
    for (const size_t bytes : {0, 1, 5000, 16384, 300'000, 3'000'000}) {
      const std::string path = absl::StrCat("/a/b%20c/", transport == Transport::kTcp, bytes);
      for (const bool in_chunks : {false, true}) {
        const std::string body = Pattern(++seed, bytes);
        const Reply stored =
            in_chunks ? PutChunked(&client, path, body, 70'001) : client.Put(path, body);
        EXPECT_EQ(stored.status, in_chunks ? 204 : 201) << stored.head;
        EXPECT_FALSE(stored.closes());
        const Reply reply = client.Get(path);
        EXPECT_EQ(reply.status, 200);
        EXPECT_TRUE(reply.body == body) << path;
        EXPECT_EQ(reply.Field("ETag"), stored.Field("ETag"));
        EXPECT_EQ(stored.Field("ETag").size() > 2, true) << stored.head;
      }
      EXPECT_EQ(client.Ask("DELETE", path).status, 204);
      EXPECT_EQ(client.Get(path).status, 404);
      EXPECT_EQ(client.Ask("DELETE", path).status, 404);
    }
  }
  ExpectFiles({});
}

// In pieces of any size, and with a request behind it in the same bytes.
TEST_P(HttpPutTest, HoweverItArrives) {
  const std::string body = Pattern(3, 700);
  const std::string put =
      "PUT /piecewise HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" +
      Chunked(body, 99);
  HttpClient slow = Http();
  slow.wire().SendByteByByte(put);
  EXPECT_EQ(slow.Next().status, 201);
  HttpClient all = Http();
  all.wire().Send(absl::StrCat("GET /piecewise HTTP/1.1\r\nHost: localhost\r\n\r\n", put, put,
                               "GET /piecewise HTTP/1.1\r\nHost: localhost\r\n\r\n",
                               "DELETE /piecewise HTTP/1.1\r\nHost: localhost\r\n\r\n",
                               "HEAD /piecewise HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  EXPECT_TRUE(all.Next().body == body);
  EXPECT_EQ(all.Next().status, 204);
  EXPECT_EQ(all.Next().status, 204);
  EXPECT_TRUE(all.Next().body == body) << "what was put is there for who asks next";
  EXPECT_EQ(all.Next().status, 204);
  EXPECT_EQ(all.Next(/*head_only=*/true).status, 404);
}

// Whoever asks first is told, when the body is wanted, and not when it is not.
TEST_P(HttpPutTest, Expect) {
  for (const Transport transport : kBoth) {
    HttpClient client = Http(transport);
    const std::string head =
        "PUT /asked HTTP/1.1\nHost: localhost\nExpect: 100-continue\nContent-Length: 6\n";
    client.Say(head + "\n");
    std::string invited;
    client.wire().ReadInto(25, &invited);
    EXPECT_EQ(invited, "HTTP/1.1 100 Continue\r\n\r\n");
    client.Say("object");
    EXPECT_EQ(client.Next().status, transport == Transport::kUnix ? 201 : 204);
    EXPECT_EQ(client.Get("/asked").body, "object");
    // Who does not wait for it is not told.
    client.Say(head + "\nobject");
    EXPECT_EQ(client.Next().status, 204);
    // It is not wanted.
    client.Say(head + "If-None-Match: *\n\n");
    const Reply unwanted = client.Next();
    EXPECT_EQ(unwanted.status, 412);
    EXPECT_TRUE(unwanted.closes()) << "or nobody knows whether the body comes";
    EXPECT_TRUE(client.AtEnd());
  }
}

// Creation and replacement, if the object is what the client thinks it is.
TEST_P(HttpPutTest, Conditions) {
  HttpClient client = Http();
  EXPECT_EQ(client.Put("/c", "one", "If-Match: *\n").status, 412);
  EXPECT_EQ(client.Put("/c", "one", "If-Match: \"x\"\n").status, 412);
  ExpectFiles({});
  const Reply one = client.Put("/c", "one", "If-None-Match: *\n");
  EXPECT_EQ(one.status, 201);
  const std::string etag = one.Field("ETag");
  const Reply again = client.Put("/c", "two", "If-None-Match: *\n");
  EXPECT_EQ(again.status, 412);
  EXPECT_TRUE(absl::StrContains(again.body, "\"c\"") && absl::StrContains(again.body, etag))
      << again.body;
  EXPECT_FALSE(again.closes()) << "its body has come";
  EXPECT_EQ(client.Put("/c", "two", "If-Match: \"other\"\n").status, 412);
  EXPECT_EQ(client.Put("/c", "two", absl::StrCat("If-None-Match: ", etag, "\n")).status, 412);
  EXPECT_EQ(client.Put("/c", "two", absl::StrCat("If-Match: W/", etag, "\n")).status, 412);
  EXPECT_EQ(client.Put("/c", "two", "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT\n").status,
            412);
  EXPECT_EQ(client.Get("/c").body, "one");
  const Reply two = client.Put("/c", "two", absl::StrCat("If-Match: \"x\", ", etag, "\n"));
  EXPECT_EQ(two.status, 204);
  EXPECT_NE(two.Field("ETag"), etag);
  EXPECT_EQ(client.Ask("DELETE", "/c", absl::StrCat("If-Match: ", etag, "\n")).status, 412);
  EXPECT_EQ(client.Get("/c").body, "two");
  EXPECT_EQ(client.Ask("DELETE", "/c", absl::StrCat("If-Match: ", two.Field("ETag"), "\n")).status,
            204);
  EXPECT_EQ(client.Ask("DELETE", "/c", "If-Match: *\n").status, 412);
  ExpectFiles({});
}

// Of those that race for a name one wins, and of those that replace one version too.
TEST_P(HttpPutTest, RacesHaveOneWinner) {
  constexpr int kRacers = 4, kRounds = 10;
  std::vector<HttpClient> clients;
  for (int i = 0; i < kRacers; ++i) clients.push_back(Http(kBoth[i % 2]));
  std::string etag;
  for (int round = 0; round < kRounds; ++round) {
    // Every second round creates, the others replace what was created.
    const bool creates = round % 2 == 0;
    const std::string fields =
        creates ? "If-None-Match: *\n" : absl::StrCat("If-Match: ", etag, "\n");
    const std::string path = absl::StrCat("/race/", round / 2);
    std::vector<Reply> replies(kRacers);
    std::vector<std::thread> racers;
    for (int i = 0; i < kRacers; ++i) {
      racers.emplace_back([&, i] {
        const std::string body = absl::StrCat("of ", i, " in ", round);
        replies[i] = i % 2 == 0 ? clients[i].Put(path, body, fields)
                                : PutChunked(&clients[i], path, body, 3, fields);
      });
    }
    for (std::thread& racer : racers) racer.join();
    int winner = -1;
    for (int i = 0; i < kRacers; ++i) {
      if (replies[i].status == 412) continue;
      EXPECT_EQ(replies[i].status, creates ? 201 : 204);
      EXPECT_EQ(winner, -1) << "two have won";
      winner = i;
    }
    ASSERT_NE(winner, -1);
    etag = replies[winner].Field("ETag");
    // A refused one may have been disconnected, if its body had not come.
    HttpClient reader = Http();
    const Reply now = reader.Get(path);
    EXPECT_EQ(now.body, absl::StrCat("of ", winner, " in ", round));
    EXPECT_EQ(now.Field("ETag"), etag);
    for (int i = 0; i < kRacers; ++i) {
      if (replies[i].closes()) clients[i] = Http(kBoth[i % 2]);
    }
  }
}

TEST_P(HttpPutTest, TimeToLive) {
  HttpClient client = Http();
  EXPECT_EQ(client.Put("/brief", "object", "Objmapper-TTL: 1\n").status, 201);
  EXPECT_EQ(client.Get("/brief").status, 200);
  const absl::Time until = absl::Now() + absl::FromChrono(kPatience);
  while (client.Get("/brief").status == 200 && absl::Now() < until)
    absl::SleepFor(absl::Milliseconds(20));
  EXPECT_EQ(client.Get("/brief").status, 404);
  for (const absl::string_view wrong : {"0", "-1", "1.5", "soon", "4294967296"}) {
    EXPECT_EQ(client.Put("/brief", "object", absl::StrCat("Objmapper-TTL: ", wrong, "\n")).status,
              400)
        << wrong;
  }
}

// What cannot be stored is refused, and nothing is left of it.
TEST_P(HttpPutTest, Refusals) {
  HttpClient client = Http();
  ASSERT_EQ(client.Put("/file", "object").status, 201);
  ASSERT_EQ(client.Put("/folder/file", "object").status, 201);
  EXPECT_EQ(client.Put("/file/below", "x").status, 409);
  EXPECT_EQ(client.Put("/folder", "x").status, 409);
  EXPECT_EQ(client.Put("/folder/", "x").status, 409);
  EXPECT_EQ(client.Put("/", "x").status, 409);
  EXPECT_EQ(client.Put("/a/../b", "x").status, 403);
  EXPECT_EQ(client.Put("/x", "x", "Content-Range: bytes 0-0/2\n").status, 400);
  EXPECT_EQ(client.Put("/x", "x", "Content-Encoding: gzip\n").status, 415);
  EXPECT_EQ(client.Ask("DELETE", "/folder").status, 409);
  EXPECT_EQ(client.Put(absl::StrCat("/", std::string(300, 'a')), "x").status, 414);
  EXPECT_EQ(client.Get("/file").body, "object") << "the connection has gone on";
  ExpectFiles({"file", "folder/file"});
}

// A body that is cut, that is not sound, or that does not come leaves nothing.
TEST_P(HttpPutTest, NothingIsLeftOfWhatWasCut) {
  Start({"--request_timeout=1s"});
  const absl::string_view counted =
      "PUT /cut HTTP/1.1\nHost: localhost\nContent-Length: 100000\n\nonly this";
  const absl::string_view chunked =
      "PUT /cut HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n5\nbytes\n";
  for (const Transport transport : kBoth) {
    for (const absl::string_view begun : {counted, chunked}) {
      HttpClient half_closed = Http(transport);
      half_closed.Say(begun);
      half_closed.wire().HalfClose();
      const Reply ended = half_closed.Next();
      EXPECT_EQ(ended.status, 400) << ended.head;
      EXPECT_TRUE(ended.closes() && half_closed.AtEnd());
      { HttpClient(Connect(Server(), transport)).Say(begun); }
      HttpClient silent = Http(transport);
      silent.Say(begun);
      EXPECT_EQ(silent.Next().status, 408);
      EXPECT_TRUE(silent.AtEnd());
    }
    for (const absl::string_view broken :
         {"5x\nbytes\n", "5\nbytes0\n\n", "-1\n", "FFFFFFFFFFFFFFFFF\n", "0\nno field\n\n"}) {
      HttpClient client = Http(transport);
      client.Say(absl::StrCat("PUT /cut HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n",
                              broken, "GET /cut HTTP/1.1\nHost: localhost\n\n"));
      const Reply reply = client.Next();
      EXPECT_EQ(reply.status, 400) << broken;
      EXPECT_TRUE(reply.closes() && client.AtEnd()) << broken;
    }
  }
  ExpectFiles({});
}

// What is too large for the rules is refused when it is announced, or when it has come so far.
TEST_P(HttpPutTest, NoRoom) {
  Start({"--disk_refuse_at=1M"});
  HttpClient client = Http();
  EXPECT_EQ(client.Put("/small", Pattern(1, 1000)).status, 201);
  client.Say("PUT /large HTTP/1.1\nHost: localhost\nContent-Length: 2000000\n\n");
  const Reply announced = client.Next();
  EXPECT_EQ(announced.status, 507) << announced.head << announced.body;
  EXPECT_TRUE(announced.closes());
  HttpClient other = Http();
  other.Say("PUT /large HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\n\n");
  // The server may have closed before all of it is sent.
  other.wire().Send(Chunked(Pattern(2, 2'000'000), 60'000));
  EXPECT_EQ(other.Next().status, 507);
  ExpectFiles({"small"});
}

// With `Connection: close`, and of HTTP/1.0, the connection ends with the answer.
TEST_P(HttpPutTest, Closes) {
  HttpClient client = Http();
  const Reply reply = client.Put("/last", "object", "Connection: close\n");
  EXPECT_EQ(reply.status, 201);
  EXPECT_TRUE(reply.closes() && client.AtEnd());
  HttpClient old = Http();
  old.Say("PUT /last HTTP/1.0\nContent-Length: 3\n\nnew");
  EXPECT_EQ(old.Next().status, 204);
  EXPECT_TRUE(old.AtEnd());
  EXPECT_EQ(Http().Get("/last").body, "new");
}

TEST_P(HttpPutTest, Allow) {
  HttpClient client = Http();
  EXPECT_EQ(client.Ask("OPTIONS", "*").Field("Allow"), "GET, HEAD, OPTIONS, PUT, DELETE");
}

// The other dialects see what HTTP stores, and it what they store.
TEST_P(HttpPutTest, IsOneOfThree) {
  HttpClient client = Http();
  RawClient own = Client();
  const Reply stored = client.Put("/both", "by HTTP");
  EXPECT_EQ(own.Get({.mode = kCopy, .uri = "both"}).body, "by HTTP");
  const Answer stat = own.Get({.mode = kStat, .uri = "both"});
  EXPECT_EQ(stored.Field("ETag"), absl::StrCat("\"", stat.metadata.at(kEtagEntry), "\""));
  EXPECT_TRUE(own.Get(Put("both", "by V2")).ok());
  EXPECT_EQ(client.Get("/both").body, "by V2");
}

}  // namespace
}  // namespace objmapper::e2e
