// --request_timeout and --idle_timeout: who waits for a client, waits so long and no longer.
#include <errno.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

constexpr uint64_t kBig = 64 * 1024 * 1024;  // far more than sockets hold between two processes
constexpr absl::Duration kTimeout = absl::Seconds(1);

class TimeoutTest : public SetupTest {
 protected:
  void SetUp() override {
    SetupTest::SetUp();
    if (IsSkipped()) return;
    SharedTree().AddOnce("small", "small object");
    SharedTree().AddOnce("pages", std::string(16384, 'p'));
    SharedTree().AddSparseOnce("big", kBig);
  }

  ServerProcess Impatient(const std::string& flag, absl::Duration timeout = kTimeout) {
    return ServerProcess(SharedTree().root(),
                         {.engine = GetParam().engine,
                          .flags = {absl::StrCat("--", flag, "=", absl::FormatDuration(timeout))}});
  }
  RawClient Connection(const ServerProcess& server) {
    return Open(server, GetParam().transport, GetParam().dialect);
  }
};

// Half a request, then silence: TIMEOUT, and the end. However far the half goes.
TEST_P(TimeoutTest, HalfARequestTimesOut) {
  ServerProcess server = Impatient("request_timeout");
  EXPECT_TRUE(Connection(server).Get({.mode = kCopy, .uri = "small"}).ok());
  const auto before = SettledDescriptors(server);
  std::vector<uint32_t> ids;
  const size_t whole = Connection(server).Encode({{.mode = kCopy, .uri = "small"}}, &ids).size();
  {
    std::vector<RawClient> clients;
    for (size_t part = 1; part < whole; ++part) {
      clients.push_back(Connection(server));
      RawClient& client = clients.back();
      const std::string request = client.Encode({{.mode = kCopy, .uri = "small"}}, &ids);
      client.wire().Send(request.substr(0, part));
    }
    for (RawClient& client : clients) {
      ExpectRefused(client.Next(), Status::kTimeout);
      if (GetParam().is_v2()) {
        EXPECT_EQ(client.Next().reason, kCloseProtocolError);
      }
      EXPECT_TRUE(client.wire().AtEnd());
    }
  }
  ExpectDescriptorsBack(server, before);
}

// A byte now and then does not keep a request alive: all of it must come within the timeout.
TEST_P(TimeoutTest, TrickleTimesOut) {
  ServerProcess server = Impatient("request_timeout");
  RawClient client = Connection(server);
  std::vector<uint32_t> ids;
  const std::string request = client.Encode({{.mode = kCopy, .uri = std::string(4000, 'u')}}, &ids);
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  bool alive = true;
  for (size_t i = 0; alive && absl::Now() < give_up; ++i) {
    char byte;
    alive = client.wire().Send(request.substr(i, 1)) &&
            recv(client.wire().fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
    absl::SleepFor(kTimeout / 8);
  }
  EXPECT_FALSE(alive) << "still reading a request that has trickled for "
                      << absl::FormatDuration(absl::FromChrono(kPatience));
}

// The body of a PUT that never comes does not hold the connection either.
TEST_P(TimeoutTest, MissingBodyTimesOut) {
  if (!GetParam().is_v2()) GTEST_SKIP() << "V1 has no PUT";
  ServerProcess server = Impatient("request_timeout");
  RawClient client = Connection(server);
  std::vector<uint32_t> ids;
  std::string request =
      client.Encode({{.mode = kPut, .uri = "small", .body = std::string(1000, 'b')}}, &ids);
  request.resize(request.size() - 1);
  client.wire().Send(request);
  client.wire().ReadToEnd();  // a failure when the end does not come
}

// A client that stops reading is let go, and what it cost is given back while it still holds on.
TEST_P(TimeoutTest, ClientThatStopsReadingIsLetGo) {
  ServerProcess server = Impatient("request_timeout");
  for (const char mode : {kCopy, kSplice}) {
    EXPECT_TRUE(Connection(server).Get({.mode = mode, .uri = "big"}).ok());
    EXPECT_TRUE(Connection(server).Get({.mode = mode, .uri = "small"}).ok());
  }
  const auto before = SettledDescriptors(server);
  for (const char mode : {kCopy, kSplice}) {
    SCOPED_TRACE(mode);
    RawClient client = Connection(server);
    client.AskAll({{.mode = mode, .uri = "big"}, {.mode = mode, .uri = "small"}});
    Answer answer = client.NextHead();
    EXPECT_TRUE(answer.ok());
    ExpectDescriptorsBack(server, before);
    // What it finds when it reads on is a part of the object, and then the end.
    client.ReadBody(&answer, kBig);
    EXPECT_TRUE(answer.cut);
  }
}

// The same for one that asks and asks and never takes an answer: more than its pipeline holds, so
// that every further request is owed a refusal. Those do not pile up in memory either.
TEST_P(TimeoutTest, ClientThatOnlyAsksIsLetGo) {
  ServerProcess server = Impatient("request_timeout");
  for (const char mode : {kFdPass, kCopy, kSplice}) {
    if (mode == kFdPass && !GetParam().is_unix()) continue;
    SCOPED_TRACE(mode);
    EXPECT_TRUE(Connection(server).Get({.mode = mode, .uri = "small"}).ok());
    const auto before = SettledDescriptors(server);
    const int64_t resident_before = server.resident_bytes();
    // Over TCP one that doesn't grow, so that it is full soon (tcp(7), tcp_rmem): what it takes is
    // progress.
    RawClient client = GetParam().is_unix()
                           ? Connection(server)
                           : Open(server.Tcp(/*receive_bytes=*/65536), GetParam().dialect);
    EXPECT_TRUE(
        client.Get({.mode = mode, .uri = "small"}).ok());  // it is one of the server's sockets
    // Segments of a few bytes take up so much more memory than the window says, that TCP drops some
    // of them, and with them the news of what else has arrived: then it is minutes until the two
    // agree again, and no question comes through.
    const std::string uri = GetParam().is_unix() ? "small" : "pages";
    std::vector<uint32_t> ids;
    const std::string questions =
        client.Encode(std::vector<Question>(1000, Question{.mode = mode, .uri = uri}), &ids);
    // Until neither side's socket takes more and the server has hung up.
    const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
    size_t at = 0;
    // A reset that is lost is noticed when TCP tries again, which may take longer than we have: so
    // the server's side counts as well.
    bool hung_up = false;
    while (!hung_up && absl::Now() < give_up) {
      const ssize_t sent = send(client.wire().fd(), questions.data() + at, questions.size() - at,
                                MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) at = (at + sent) % questions.size();
      if (sent < 0) {
        hung_up = errno != EAGAIN || server.Descriptors()["socket"] <= before.at("socket");
        absl::SleepFor(absl::Milliseconds(20));
      }
      ASSERT_LT(server.resident_bytes() - resident_before, int64_t{512} << 20)
          << "answers that nobody reads pile up in memory";
    }
    EXPECT_TRUE(hung_up) << "the server has not hung up";
    ExpectDescriptorsBack(server, before);
  }
}

// Slow is not stopped: who keeps reading gets everything, though all of it takes longer.
TEST_P(TimeoutTest, SteadySlowReaderGetsEverything) {
  ServerProcess server = Impatient("request_timeout");
  RawClient copying = Connection(server), splicing = Connection(server);
  copying.Ask({.mode = kCopy, .uri = "big"});
  splicing.Ask({.mode = kSplice, .uri = "big"});
  Answer copied = copying.NextHead(), spliced = splicing.NextHead();
  for (uint64_t read = 0; read < kBig; read += kBig / 64) {
    copying.ReadBody(&copied, kBig / 64);
    splicing.ReadBody(&spliced, kBig / 64);
    absl::SleepFor(kTimeout / 32);
  }
  for (const Answer* answer : {&copied, &spliced}) {
    EXPECT_TRUE(answer->ok()) << answer->mode;
    EXPECT_EQ(answer->body.size(), kBig) << answer->mode;
  }
}

// Nor is who reads so little that for several timeouts there is no room for more: the kernel tells
// of room when a third of what a TCP socket holds is free, which may be megabytes, and three
// quarters of what a Unix socket does.
TEST_P(TimeoutTest, TrickleOfReadingIsNotLate) {
  ServerProcess server(
      SharedTree().root(),
      {.engine = GetParam().engine,
       .flags = {"--max_pipeline=1000",
                 absl::StrCat("--request_timeout=", absl::FormatDuration(kTimeout))}});
  constexpr int kDescriptors = 600;  // with as many 'X': more messages than a socket holds
  RawClient copying = Connection(server), splicing = Connection(server);
  RawClient passing = GetParam().is_v2() ? RawClient::V2(Connect(server, GetParam().transport),
                                                         kInOrder, /*max_pipeline=*/1000)
                                         : Connection(server);
  copying.Ask({.mode = kCopy, .uri = "big"});
  splicing.Ask({.mode = kSplice, .uri = "big"});
  Answer copied = copying.NextHead(), spliced = splicing.NextHead();
  const bool passes = GetParam().is_unix();
  if (passes)
    passing.AskAll(std::vector<Question>(kDescriptors, Question{.mode = kFdPass, .uri = "small"}));
  // with a descriptor, or without where too many of this user are in flight (unix(7)), others' too
  int answered = 0;
  const auto read = [&](size_t bytes, int answers) {
    copying.ReadBody(&copied, bytes);
    splicing.ReadBody(&spliced, bytes);
    for (; passes && answers > 0 && answered < kDescriptors &&
           passing.Next().kind == Answer::Kind::kResponse;
         --answers)
      ++answered;
  };
  for (int step = 0; step < 20; ++step) {
    absl::SleepFor(kTimeout / 8);
    read(32768, 1);
  }
  while (copied.body.size() < kBig && !copied.cut && !spliced.cut)
    read(std::min<uint64_t>(1 << 20, kBig - copied.body.size()), 10);
  for (const Answer* answer : {&copied, &spliced}) {
    EXPECT_TRUE(answer->ok()) << answer->mode;
    EXPECT_EQ(answer->body.size(), kBig) << answer->mode;
  }
  EXPECT_EQ(answered, passes ? kDescriptors : 0);
}

// A connection that asks nothing is closed after --idle_timeout; V2 is told why.
TEST_P(TimeoutTest, IdleConnectionIsClosed) {
  ServerProcess server = Impatient("idle_timeout");
  std::vector<RawClient> clients;
  clients.push_back(Connection(server));  // asks nothing, ever
  for (const char mode : {kCopy, kSplice, kStat}) {
    clients.push_back(Connection(server));
    EXPECT_TRUE(clients.back().Get({.mode = mode, .uri = "small"}).ok());
  }
  for (RawClient& client : clients) {
    if (GetParam().is_v2()) {
      const Answer close = client.Next();
      EXPECT_EQ(close.kind, Answer::Kind::kClose);
      EXPECT_EQ(close.reason, kCloseIdle);
    }
    EXPECT_TRUE(client.wire().AtEnd());
  }
}

// Who asks again in time stays, for as long as it likes.
TEST_P(TimeoutTest, BusyConnectionIsNotIdle) {
  ServerProcess server = Impatient("idle_timeout");
  RawClient client = Connection(server);
  for (const absl::Time until = absl::Now() + 3 * kTimeout; absl::Now() < until;) {
    ASSERT_TRUE(client.Get({.mode = kCopy, .uri = "small"}).ok());
    ASSERT_TRUE(client.Get({.mode = kSplice, .uri = "small"}).ok());
  }
}

// An answer under way is no idleness, however slowly it is read.
TEST_P(TimeoutTest, AnswerUnderWayIsNotIdle) {
  ServerProcess server = Impatient("idle_timeout");
  RawClient copying = Connection(server), splicing = Connection(server);
  copying.Ask({.mode = kCopy, .uri = "big"});
  splicing.Ask({.mode = kSplice, .uri = "big"});
  Answer copied = copying.NextHead(), spliced = splicing.NextHead();
  absl::SleepFor(2 * kTimeout);
  copying.ReadBody(&copied, kBig);
  splicing.ReadBody(&spliced, kBig);
  for (const Answer* answer : {&copied, &spliced}) {
    EXPECT_TRUE(answer->ok()) << answer->mode;
    EXPECT_EQ(answer->body.size(), kBig) << answer->mode;
  }
}

INSTANTIATE_TEST_SUITE_P(All, TimeoutTest,
                         testing::ValuesIn(Setups({Transport::kUnix, Transport::kTcp},
                                                  {Dialect::kV1, Dialect::kV2})),
                         SetupName);

}  // namespace
}  // namespace objmapper::e2e
