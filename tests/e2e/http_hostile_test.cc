// HTTP as an enemy speaks it: too much, too slowly, without an end. What it costs the server has
// bounds, and others do not notice.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/http_cases.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

constexpr absl::string_view kGet = "GET /a HTTP/1.1\r\nHost: localhost\r\n";
constexpr absl::string_view kChunks =
    "GET /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";

// Whether there is something to read, or the end.
bool HasAnswer(const Wire& wire) {
  pollfd readable{wire.fd(), POLLIN, 0};
  return poll(&readable, 1, 0) == 1;
}

class HttpHostileTest : public SetupTest {
 protected:
  void SetUp() override {
    SetupTest::SetUp();
    for (const HttpObject& object : kHttpObjects) SharedTree().AddOnce(object.name, object.content);
  }
  Wire Http(const ServerProcess& server) const { return Connect(server, GetParam().transport); }
  Wire Http() const { return Http(Server()); }
  ServerProcess With(const std::string& flag) const {
    return ServerProcess(SharedTree().root(), {.engine = GetParam().engine, .flags = {flag}});
  }
  void ExpectServes(const ServerProcess& server) const {
    Wire wire = Http(server);
    wire.Send(kHttpBehind);
    EXPECT_EQ(HttpVerdict(wire.ReadToEnd(), /*to_head=*/false), "behind close");
  }

  // Says `begin`, and then what `more` says of 0, 1, 2, ... until it is answered; then the answer.
  // The server lets so many bytes come, and no more.
  std::string UntilAnswered(absl::string_view begin, const std::function<std::string(size_t)>& more,
                            size_t bytes_max) {
    Wire wire = Http();
    wire.Send(begin);
    size_t bytes = begin.size();
    for (size_t i = 0; !HasAnswer(wire); ++i) {
      const std::string piece = more(i);
      if (!wire.Send(piece)) break;
      bytes += piece.size();
      // What is on its way when the answer comes is not taken for something.
      if (bytes > bytes_max) {
        ADD_FAILURE() << "still reading after " << bytes << " bytes";
        break;
      }
    }
    return HttpVerdict(wire.ReadToEnd(), /*to_head=*/false);
  }
};

// More than sockets hold between two processes, beside what the server takes.
constexpr size_t kEnough = 64 * 1024 * 1024;

// ---- Without an end ----

TEST_P(HttpHostileTest, EndlessHeads) {
  const auto field = [](size_t i) {
    return absl::StrCat("X-", i, ": ", std::string(400, 'y'), "\r\n");
  };
  EXPECT_EQ(UntilAnswered(kGet, field, kEnough), "431 close");
  const auto byte = [](size_t) { return std::string(1000, 'y'); };
  EXPECT_EQ(UntilAnswered(absl::StrCat(kGet, "X: "), byte, kEnough), "431 close");
  EXPECT_EQ(UntilAnswered("GET /", byte, kEnough), "414 close");
  EXPECT_EQ(UntilAnswered("GET", byte, kEnough), "414 close");
  EXPECT_EQ(UntilAnswered("\r\nGET / HTTP/1.1\r\n", byte, kEnough), "431 close");
  ExpectServes(Server());
}

TEST_P(HttpHostileTest, EndlessBodies) {
  const auto chunk = [](size_t) { return absl::StrCat("100\r\n", std::string(256, 'x'), "\r\n"); };
  EXPECT_EQ(UntilAnswered(kChunks, chunk, kEnough), "413 close");
  const auto small = [](size_t) { return std::string("1\r\nx\r\n"); };
  EXPECT_EQ(UntilAnswered(kChunks, small, kEnough), "413 close");
  const auto byte = [](size_t) { return std::string(1000, 'x'); };
  EXPECT_EQ(UntilAnswered(absl::StrCat(kChunks, "ffffffffffffffff\r\n"), byte, kEnough),
            "413 close");
  EXPECT_EQ(UntilAnswered(absl::StrCat(kChunks, "1;a="), byte, kEnough), "413 close");
  const auto extension = [](size_t) { return std::string("1;a=b;c=d\r\nx\r\n"); };
  EXPECT_EQ(UntilAnswered(kChunks, extension, kEnough), "413 close");
  const auto trailer = [](size_t i) { return absl::StrCat("X-", i, ": y\r\n"); };
  EXPECT_EQ(UntilAnswered(absl::StrCat(kChunks, "0\r\n"), trailer, kEnough), "413 close");
  const std::string length = absl::StrCat(kGet, "Content-Length: 9223372036854775807\r\n\r\n");
  EXPECT_EQ(UntilAnswered(length, byte, kEnough), "413 close");
  ExpectServes(Server());
}

// Of many at once the server keeps what their heads may be long, and not more; and when they have
// gone, nothing.
TEST_P(HttpHostileTest, ManyHalfHeads) {
  ServerProcess server = With("--max_connections=1000");
  ExpectServes(server);
  const auto before = SettledDescriptors(server);
  const int64_t bytes_before = server.resident_bytes();
  {
    std::vector<Wire> wires;
    for (int i = 0; i < 200; ++i) {
      wires.push_back(Http(server));
      wires.back().Send(absl::StrCat(kGet, "X: ", std::string(32'000, 'y')));
    }
    ExpectServes(server);
    EXPECT_LT(server.resident_bytes() - bytes_before, 200 * 256 * 1024);
    for (Wire& wire : wires) wire.Send("\r\n\r\n");
    for (Wire& wire : wires) EXPECT_EQ(wire.Read(12), "HTTP/1.1 200");
  }
  ExpectDescriptorsBack(server, before);
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// ---- Too much ----

// As many as fit into a head are looked at, but more than a hundred count for nothing.
TEST_P(HttpHostileTest, RangesByTheThousand) {
  std::string ranges;
  for (int i = 0; i < 10'000; ++i) ranges += "0-,";
  for (const absl::string_view ends : {"0-", "-1", "18446744073709551616-"}) {
    Wire wire = Http();
    wire.Send(absl::StrCat(kGet, "Range: bytes=", ranges, ends, "\r\n\r\n", kHttpBehind));
    EXPECT_EQ(HttpVerdict(wire.ReadToEnd(), /*to_head=*/false), "200") << ends;
  }
  // A hundred that overlap are one, and the whole; a hundred that do not are a hundred parts.
  SharedTree().AddOnce("http_hostile_parts", Pattern(7, 100'000));
  std::string parts = "0-0";
  for (int i = 1; i < 100; ++i) absl::StrAppend(&parts, ",", i * 1000, "-", i * 1000);
  Wire wire = Http();
  wire.Send(absl::StrCat("GET /http_hostile_parts HTTP/1.1\r\nHost: localhost\r\nRange: bytes=",
                         parts, "\r\n\r\n", kHttpBehind));
  const std::string answered = wire.ReadToEnd();
  EXPECT_EQ(HttpVerdict(answered, /*to_head=*/false), "206");
  const std::vector<std::string> heads = absl::StrSplit(answered, "Content-Range: bytes ");
  EXPECT_EQ(heads.size(), 101u);
}

// Each in its place, whatever it is; one more than a connection may have in flight.
TEST_P(HttpHostileTest, PipelinedByTheThousand) {
  struct Kind {
    absl::string_view request;
    const char* status;
    bool to_head;
  };
  constexpr Kind kKinds[] = {
      {"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n", "200", false},
      {"HEAD /a HTTP/1.1\r\nHost: localhost\r\n\r\n", "200", true},
      {"GET /missing HTTP/1.1\r\nHost: localhost\r\n\r\n", "404", false},
      {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", "204", false},
      {"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nGET /", "405", false},
      {"GET /a HTTP/1.1\r\nHost: localhost\r\nRange: bytes=2-4\r\n\r\n", "206", false},
      {"GET /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
       "chunked\r\n\r\n1\r\nG\r\n0\r\n\r\n",
       "200", false},
  };
  // What is on its way fits into a socket, so nobody waits for who waits for him.
  constexpr size_t kRequests = 1000;
  std::string requests;
  for (size_t i = 0; i < kRequests; ++i) absl::StrAppend(&requests, kKinds[i * i % 7].request);
  ASSERT_LT(requests.size(), 80'000u);
  for (int round = 0; round < 3; ++round) {
    Wire wire = Http();
    wire.Send(absl::StrCat(requests, kHttpBehind));
    const std::string answered = wire.ReadToEnd();
    absl::string_view rest = answered;
    std::string body;
    for (size_t i = 0; i < kRequests; ++i) {
      const Kind& kind = kKinds[i * i % 7];
      ASSERT_EQ(TakeHttpReply(&rest, kind.to_head, &body), kind.status) << i;
    }
    EXPECT_EQ(TakeHttpReply(&rest, /*to_head=*/false, &body), "behind");
    EXPECT_EQ(rest, "");
  }
}

// What cannot be answered ends it, and what was asked before it is answered.
TEST_P(HttpHostileTest, UnsoundBehindAThousand) {
  std::string requests;
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&requests, kGet, "\r\n");
  Wire wire = Http();
  wire.Send(absl::StrCat(requests, "GET /a\r\n\r\n", requests));
  const std::string answered = wire.ReadToEnd();
  absl::string_view rest = answered;
  std::string body;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(TakeHttpReply(&rest, /*to_head=*/false, &body), "200") << i;
    ASSERT_EQ(body, "what a holds");
  }
  EXPECT_EQ(TakeHttpReply(&rest, /*to_head=*/false, &body), "400");
  EXPECT_EQ(rest, "");
}

// ---- Too slowly ----

// A byte now and then does not keep a request alive: all of it must come within the timeout.
TEST_P(HttpHostileTest, SlowRequestsTimeOut) {
  ServerProcess server = With("--request_timeout=1s");
  ExpectServes(server);
  const auto before = SettledDescriptors(server);
  const std::string endless = std::string(4000, 'y');
  for (const std::string& request :
       {absl::StrCat(kGet, "X: ", endless), absl::StrCat("GET /", endless),
        absl::StrCat("\r\n", kGet, "X: ", endless),
        absl::StrCat(kGet, "Content-Length: 4000\r\n\r\n", endless),
        absl::StrCat(kChunks, "1000\r\n", endless)}) {
    Wire wire = Http(server);
    const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
    for (size_t i = 0; i < request.size() && !HasAnswer(wire) && absl::Now() < give_up; ++i) {
      if (!wire.Send(request.substr(i, 1))) break;
      absl::SleepFor(absl::Milliseconds(50));
    }
    EXPECT_EQ(HttpVerdict(wire.ReadToEnd(), /*to_head=*/false), "408 close")
        << request.substr(0, 60);
  }
  ExpectDescriptorsBack(server, before);
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// Nobody asks, and nothing is said: a client that sends at that moment must not take a 408 for the
// answer to its request (RFC 9112, 9.5).
TEST_P(HttpHostileTest, IdleConnectionsEndWithoutAWord) {
  ServerProcess server = With("--idle_timeout=1s");
  Wire asked = Http(server);
  asked.Send(absl::StrCat(kGet, "\r\n"));
  const std::string answered = asked.ReadToEnd();
  EXPECT_EQ(HttpVerdict(answered, /*to_head=*/false), "200 close");
  EXPECT_TRUE(absl::EndsWith(answered, "what a holds"));
  EXPECT_EQ(Http(server).ReadToEnd(), "");
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// Asks for much and reads nothing: it is let go.
TEST_P(HttpHostileTest, WhoDoesNotReadIsLetGo) {
  SharedTree().AddSparseOnce("http_hostile_big", 64 * 1024 * 1024);
  ServerProcess server = With("--request_timeout=1s");
  ExpectServes(server);
  const auto before = SettledDescriptors(server);
  std::vector<Wire> wires;
  for (int i = 0; i < 8; ++i) {
    wires.push_back(Http(server));
    for (int times = 0; times < 4; ++times)
      wires.back().Send("GET /http_hostile_big HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  ExpectDescriptorsBack(server, before);
  ExpectServes(server);
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

INSTANTIATE_TEST_SUITE_P(All, HttpHostileTest,
                         testing::ValuesIn(Setups({Transport::kUnix, Transport::kTcp},
                                                  {Dialect::kV1})),
                         SetupName);

}  // namespace
}  // namespace objmapper::e2e
