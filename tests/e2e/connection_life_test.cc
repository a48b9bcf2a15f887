// How long a connection lives: for ever, for a number of requests, or not at all.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

class ConnectionLifeTest : public SetupTest {
 protected:
  void SetUp() override {
    SetupTest::SetUp();
    SharedTree().AddOnce("small", "small object");
  }

  ServerProcess With(std::vector<std::string> flags) {
    return ServerProcess(SharedTree().root(),
                         {.engine = GetParam().engine, .flags = std::move(flags)});
  }
  RawClient Connection(const ServerProcess& server) {
    return Open(server, GetParam().transport, GetParam().dialect);
  }
  std::string Modes() const { return GetParam().is_unix() ? "123S" : "23S"; }

  // The server's own, orderly end.
  void ExpectEnds(RawClient* client) {
    if (GetParam().is_v2()) {
      const Answer close = client->Next();
      EXPECT_EQ(close.kind, Answer::Kind::kClose);
      EXPECT_EQ(close.reason, kCloseNormal);
    }
    EXPECT_TRUE(client->wire().AtEnd());
  }
};

TEST_P(ConnectionLifeTest, IsKeptByDefault) {
  RawClient client = Client();
  for (int i = 0; i < 500; ++i) {
    const char mode = Modes()[i % Modes().size()];
    ASSERT_TRUE(client.Get({.mode = mode, .uri = "small"}).ok()) << i;
  }
}

// --persistent_connections=false: one request, one answer, the end. An error is an answer, too.
TEST_P(ConnectionLifeTest, EndsAfterOneAnswerWhenNotPersistent) {
  ServerProcess server = With({"--persistent_connections=false"});
  for (const char mode : Modes()) {
    RawClient client = Connection(server);
    EXPECT_TRUE(client.Get({.mode = mode, .uri = "small"}).ok());
    ExpectEnds(&client);
  }
  RawClient client = Connection(server);
  ExpectRefused(client.Get({.mode = kCopy, .uri = "missing"}), Status::kNotFound);
  ExpectEnds(&client);
}

// --requests_per_conn=3: three answers, then the end; also for requests that were sent at once.
TEST_P(ConnectionLifeTest, EndsAfterRequestsPerConn) {
  ServerProcess server = With({"--requests_per_conn=3"});
  for (const bool at_once : {false, true}) {
    for (const char mode : Modes()) {
      RawClient client = Connection(server);
      if (at_once) client.AskAll(std::vector<Question>(5, Question{.mode = mode, .uri = "small"}));
      for (int i = 0; i < 3; ++i) {
        if (!at_once) client.Ask({.mode = mode, .uri = "small"});
        EXPECT_TRUE(client.Next().ok()) << mode << " " << i;
      }
      ExpectEnds(&client);
    }
  }
}

// The count goes with the connection when it changes lanes.
TEST_P(ConnectionLifeTest, RequestsPerConnCountsAllModes) {
  ServerProcess server = With({"--requests_per_conn=7"});
  RawClient client = Connection(server);
  for (int i = 0; i < 7; ++i) {
    EXPECT_TRUE(client.Get({.mode = Modes()[i % Modes().size()], .uri = "small"}).ok()) << i;
  }
  ExpectEnds(&client);
}

// --max_connections: the next one is told politely, without having asked, when to come again; and
// when somebody leaves, there is room.
TEST_P(ConnectionLifeTest, MaxConnectionsIsToldPolitely) {
  ServerProcess server = With({"--max_connections=2"});
  std::vector<RawClient> in;
  for (int i = 0; i < 2; ++i) {
    in.push_back(Connection(server));
    EXPECT_TRUE(in.back().Get({.mode = kCopy, .uri = "small"}).ok());
  }
  for (int i = 0; i < 3; ++i) {
    RawClient out = RawClient::V1(Connect(server, GetParam().transport));
    const Answer answer = out.Next();
    ExpectRefused(answer, Status::kUnavailable);
    ASSERT_TRUE(answer.Has(kRetryAfterEntry));
    EXPECT_GT(answer.Number(kRetryAfterEntry), 0u);
    EXPECT_TRUE(out.wire().AtEnd());
  }
  for (RawClient& client : in) EXPECT_TRUE(client.Get({.mode = kSplice, .uri = "small"}).ok());

  in.pop_back();
  const absl::Time give_up = absl::Now() + absl::FromChrono(kPatience);
  Answer answer;
  while (!answer.ok() && absl::Now() < give_up) {  // until the server has seen the other leave
    RawClient next = RawClient::V1(Connect(server, GetParam().transport));
    answer = next.Get({.mode = kCopy, .uri = "small"});
  }
  EXPECT_TRUE(answer.ok());
}

INSTANTIATE_TEST_SUITE_P(All, ConnectionLifeTest,
                         testing::ValuesIn(Setups({Transport::kUnix, Transport::kTcp},
                                                  {Dialect::kV1, Dialect::kV2})),
                         SetupName);

}  // namespace
}  // namespace objmapper::e2e
