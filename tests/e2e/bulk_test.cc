// TCP connections with large bodies: they move to loops of their own and back, and nobody notices.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/metrics.h"
#include "tests/net/short_folder.h"

namespace objmapper::e2e {
namespace {

constexpr size_t kLarge = 300'000;
constexpr size_t kSmall = 1000;
constexpr int kSmallBodiesMax = 64;  // as copypath's
constexpr char kMoves[] = "objmapper_connections_migrated_total";

class BulkTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    tree_.Add("large", Pattern(1, kLarge));
    tree_.Add("small", Pattern(2, kSmall));
  }

  ServerProcess Start(std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {absl::StrCat("--admin_listen=", folder_.Path("admin")),
                                 absl::StrCat("--bulk_bytes_min=", kLarge)});
    return ServerProcess(tree_.root(), {.engine = GetParam(), .flags = std::move(flags)});
  }

  // How often a connection has moved.
  double Moves() const { return Metric(folder_.Path("admin"), kMoves); }
  // An answer may be here before its connection has moved.
  ::testing::AssertionResult MovesBecome(double wanted) const {
    return MetricBecomes(folder_.Path("admin"), kMoves, wanted);
  }

  void Get(RawClient& client, const std::string& uri, char mode = kCopy) const {
    const Answer answer = client.Get({.mode = mode, .uri = uri});
    ASSERT_TRUE(answer.ok()) << answer.status;
    EXPECT_TRUE(answer.body == (uri == "large" ? Pattern(1, kLarge) : Pattern(2, kSmall)));
  }

  ObjectTree tree_;
  const net::ShortFolder folder_;
};

TEST_P(BulkTest, GoesWithTheFirstLargeBodyAndComesBackAfterManySmallOnes) {
  ServerProcess server = Start();
  RawClient client = RawClient::V2(server.Tcp(), kInOrder);
  for (const char mode : {kCopy, kSplice}) {
    const double before = Moves();
    Get(client, "small", mode);
    EXPECT_EQ(Moves(), before);
    Get(client, "large", mode);
    EXPECT_TRUE(MovesBecome(before + 1));
    for (int i = 0; i < kSmallBodiesMax - 1; ++i) Get(client, "small", mode);
    Get(client, "large", mode);  // before it was to go back: small ones count from here
    for (int i = 0; i < kSmallBodiesMax - 1; ++i) Get(client, "small", mode);
    EXPECT_EQ(Moves(), before + 1);
    Get(client, "small", mode);
    EXPECT_TRUE(MovesBecome(before + 2));
    for (int i = 0; i < 2 * kSmallBodiesMax; ++i) Get(client, "small", mode);
    EXPECT_EQ(Moves(), before + 2);
  }
  EXPECT_EQ(server.Stop(SIGTERM), 0) << server.log();
}

TEST_P(BulkTest, OthersStay) {
  ServerProcess server = Start();
  RawClient unix_client = RawClient::V2(server.Unix(), kInOrder);
  Get(unix_client, "small");  // is in its lane from here
  const double before = Moves();
  for (int i = 0; i < 3; ++i) Get(unix_client, "large");
  Get(unix_client, "small");
  EXPECT_EQ(Moves(), before);
  // A part of a large object is what is sent of it.
  RawClient tcp_client = RawClient::V2(server.Tcp(), kInOrder);
  const Answer part =
      tcp_client.Get({.mode = kCopy, .uri = "large", .flags = kWithRange, .offset = 1});
  EXPECT_EQ(part.body.size(), kLarge - 1);
  Get(tcp_client, "small");
  EXPECT_EQ(Moves(), before);
}

TEST_P(BulkTest, NobodyMovesWithoutSuchLoops) {
  ServerProcess server = Start({"--bulk_loops=0"});
  EXPECT_FALSE(absl::StrContains(server.log(), "for large bodies")) << server.log();
  RawClient client = RawClient::V2(server.Tcp(), kInOrder);
  for (int i = 0; i < 3; ++i) Get(client, "large");
  Get(client, "small");
  EXPECT_EQ(Moves(), 0);
}

TEST_P(BulkTest, SaysHowManyLoopsThereAre) {
  const ServerProcess server = Start({"--bulk_loops=3"});
  EXPECT_TRUE(absl::StrContains(server.log(), "1 copy loop(s) and 3 for large bodies over TCP on "))
      << server.log();
}

// What is asked meanwhile moves along, in order and whole.
TEST_P(BulkTest, PipelinesSurviveTheMoves) {
  ServerProcess server = Start();
  RawClient client = RawClient::V2(server.Tcp(), kInOrder, 64);
  const std::string large = Pattern(1, kLarge), small = Pattern(2, kSmall);
  for (int round = 0; round < 4; ++round) {
    std::vector<Question> questions;
    for (int i = 0; i < 12; ++i) {
      for (int k = 0; k < 1 + 4 * i; ++k)
        questions.push_back({.mode = k % 2 == 0 ? kCopy : kSplice, .uri = "small"});
      questions.push_back({.mode = i % 2 == 0 ? kCopy : kSplice, .uri = "large"});
    }
    for (int i = 0; i < 3 * kSmallBodiesMax; ++i)
      questions.push_back({.mode = kCopy, .uri = "small"});
    // As many at a time as the pipeline takes.
    for (size_t begin = 0; begin < questions.size(); begin += 60) {
      const size_t end = std::min(questions.size(), begin + 60);
      const std::vector<uint32_t> ids =
          client.AskAll(std::vector<Question>(questions.begin() + begin, questions.begin() + end));
      for (size_t i = begin; i < end; ++i) {
        const Answer answer = client.Next();
        ASSERT_TRUE(answer.ok()) << "answer " << i << ": " << answer.status;
        EXPECT_EQ(answer.id, ids[i - begin]);
        ASSERT_TRUE(answer.body == (questions[i].uri == "large" ? large : small)) << "answer " << i;
      }
    }
  }
  EXPECT_GE(Moves(), 8);
}

TEST_P(BulkTest, TheLastAnswerAllowedIsTheLast) {
  ServerProcess server = Start({"--requests_per_conn=2"});
  RawClient client = RawClient::V2(server.Tcp(), kInOrder);
  Get(client, "large");
  Get(client, "large");
  EXPECT_EQ(client.Next().kind, Answer::Kind::kClose);
  EXPECT_TRUE(client.wire().AtEnd());
}

// Whoever is on its way when the server stops is told, too.
TEST_P(BulkTest, StopsInTheMiddleOfAMove) {
  ServerProcess server = Start({"--drain_timeout=1h"});
  std::vector<RawClient> clients;
  for (int i = 0; i < 60; ++i) clients.push_back(RawClient::V2(server.Tcp(), kInOrder));
  for (RawClient& client : clients) client.Ask({.mode = kCopy, .uri = "large"});
  std::vector<Answer> answers(clients.size());
  answers[0] = clients[0].Next();
  server.Signal(SIGTERM);
  for (size_t i = 0; i < clients.size(); ++i) {
    if (i > 0) answers[i] = clients[i].Next();
    EXPECT_TRUE(answers[i].ok()) << i;
    EXPECT_EQ(clients[i].Next().kind, Answer::Kind::kClose) << i;
    EXPECT_TRUE(clients[i].wire().AtEnd()) << i;
  }
  EXPECT_EQ(server.WaitForExit(), 0) << server.log();
}

// A client that has said all it will still gets what it asked for.
TEST_P(BulkTest, HalfClosedClientsGetTheirAnswers) {
  ServerProcess server = Start();
  RawClient client = RawClient::V2(server.Tcp(), kInOrder);
  client.AskAll({{.mode = kCopy, .uri = "large"}, {.mode = kCopy, .uri = "small"}});
  client.wire().HalfClose();
  EXPECT_TRUE(client.Next().body == Pattern(1, kLarge));
  EXPECT_TRUE(client.Next().body == Pattern(2, kSmall));
  EXPECT_TRUE(client.wire().AtEnd());
}

INSTANTIATE_TEST_SUITE_P(Engines, BulkTest, testing::ValuesIn(kEngines), EngineName);

}  // namespace
}  // namespace objmapper::e2e
