// Who may connect, who may ask for what, how often; and what the log says of it.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/matrix.h"

namespace objmapper::e2e {
namespace {

class AccessTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    tree_.Add("open/a", kObject);
    tree_.Add("closed/b", kObject);
  }
  std::string RulesPath() const { return tree_.outside() + "/rules"; }
  void WriteRules(const std::string& text) const {
    std::ofstream(RulesPath(), std::ios::trunc) << text;
  }

  static Answer Ask(RawClient* client, char mode, const std::string& uri) {
    return client->Get({.mode = mode, .uri = uri});
  }

  static constexpr char kObject[] = "bytes that anybody would recognize";
  ObjectTree tree_;
};

// Each mode goes by the rules, on an open connection, however the name is spelt; what is refused
// looks the same whether it is there or not. SIGHUP brings new rules; a broken file leaves the old
// ones and says why.
TEST_P(AccessTest, RulesHoldAndAreReloaded) {
  WriteRules("any /open read\n");
  ServerProcess server(tree_.root(),
                       {.engine = GetParam(), .flags = {"--rules_file=" + RulesPath()}});
  RawClient client = Open(server, Transport::kUnix, Dialect::kV2);
  for (const char mode : {kFdPass, kCopy, kSplice, kStat}) {
    EXPECT_TRUE(Ask(&client, mode, "open/a").ok()) << mode;
    for (const char* uri :
         {"closed/b", "closed//b", "./closed/b", "closed/none", "other", "open2"}) {
      ExpectRefused(Ask(&client, mode, uri), Status::kPermissionDenied);
    }
  }
  WriteRules("any /closed read\n");
  server.Signal(SIGHUP);
  ASSERT_TRUE(server.WaitForLog("SIGHUP: 1 rules are now in effect"));
  EXPECT_EQ(Ask(&client, kCopy, "closed/b").body, kObject);
  ExpectRefused(Ask(&client, kCopy, "open/a"), Status::kPermissionDenied);

  WriteRules("any /open read\nnobody knows\n");
  server.Signal(SIGHUP);
  ASSERT_TRUE(server.WaitForLog("SIGHUP: the rules are unchanged"));
  ASSERT_TRUE(server.WaitForLog("line 2: "));
  EXPECT_EQ(Ask(&client, kCopy, "closed/b").body, kObject);
  ExpectRefused(Ask(&client, kCopy, "open/a"), Status::kPermissionDenied);
  EXPECT_EQ(server.Stop(SIGTERM), 0);
}

// Rules know a user from another, and a TCP peer from both.
TEST_P(AccessTest, RulesKnowWhoAsks) {
  WriteRules(absl::StrCat("uid ", getuid(), " /closed read\nuid ", getuid() + 1,
                          " /open read\ntcp /open read\n"));
  ServerProcess server(tree_.root(),
                       {.engine = GetParam(), .flags = {"--rules_file=" + RulesPath()}});
  RawClient unix_client = RawClient::V1(server.Unix());
  EXPECT_EQ(Ask(&unix_client, kCopy, "closed/b").body, kObject);
  ExpectRefused(Ask(&unix_client, kCopy, "open/a"), Status::kPermissionDenied);
  RawClient tcp_client = RawClient::V1(server.Tcp());
  EXPECT_EQ(Ask(&tcp_client, kCopy, "open/a").body, kObject);
  ExpectRefused(Ask(&tcp_client, kCopy, "closed/b"), Status::kPermissionDenied);
}

// More than a connection's rate is UNAVAILABLE with the time to wait; another connection has its
// own.
TEST_P(AccessTest, RateLimit) {
  ServerProcess server(
      tree_.root(),
      {.engine = GetParam(), .flags = {"--rate_limit_per_conn=1", "--rate_limit_burst=3"}});
  RawClient client = RawClient::V2(server.Unix(), kInOrder);
  const absl::Time began = absl::Now();
  int served = 0, put_off = 0;
  for (int i = 0; i < 20; ++i) {
    const Answer answer = Ask(&client, i % 2 == 0 ? kCopy : kFdPass, "open/a");
    if (answer.ok()) {
      ++served;
      continue;
    }
    ExpectRefused(answer, Status::kUnavailable);
    ASSERT_TRUE(answer.Has(kRetryAfterEntry));
    EXPECT_GE(answer.Number(kRetryAfterEntry), 1u);
    EXPECT_LE(answer.Number(kRetryAfterEntry), 1001u);
    ++put_off;
  }
  EXPECT_GE(served, 3);
  EXPECT_LE(served, 4 + absl::ToInt64Seconds(absl::Now() - began));
  EXPECT_EQ(served + put_off, 20);
  RawClient another = RawClient::V2(server.Unix(), kInOrder);
  EXPECT_TRUE(Ask(&another, kCopy, "open/a").ok());
}

INSTANTIATE_TEST_SUITE_P(Engines, AccessTest, testing::ValuesIn(kEngines), EngineName);

class AdmissionTest : public testing::Test {
 protected:
  void SetUp() override { tree_.Add("a", "object"); }
  // A server on one Unix socket alone: those whom only --allow_uids admits have no TCP.
  ServerOptions UnixOnly(std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"--root=" + tree_.root(), "--listen_unix=" + path_});
    return {.flags = std::move(flags), .only_flags = true, .socket_path = path_};
  }
  bool Serves() {
    return RawClient::V1(Wire::ToUnix(path_)).Get({.mode = kCopy, .uri = "a"}).body == "object";
  }
  Answer Refusal() { return RawClient::V1(Wire::ToUnix(path_)).Get({.mode = kCopy, .uri = "a"}); }

  ObjectTree tree_;
  TempDir directory_;
  const std::string path_ = directory_.path() + "/socket";
};

TEST_F(AdmissionTest, ByUserAndGroup) {
  {
    ServerProcess server(tree_.root(),
                         UnixOnly({absl::StrCat("--allow_uids=", getuid() + 1, ",", getuid())}));
    EXPECT_TRUE(Serves());
  }
  {
    ServerProcess server(tree_.root(), UnixOnly({absl::StrCat("--allow_uids=", getuid() + 1),
                                                 absl::StrCat("--allow_gids=", getgid())}));
    EXPECT_TRUE(Serves());
  }
  ServerProcess server(tree_.root(), UnixOnly({absl::StrCat("--allow_uids=", getuid() + 1)}));
  // The socket may be closed before the question is read; what the client reads is the reason, all
  // the same.
  ExpectRefused(Refusal(), Status::kPermissionDenied);
  EXPECT_TRUE(server.WaitForLog(
      "is not among the users that the server serves (--allow_uids, --allow_gids)"));
}

TEST_F(AdmissionTest, ByTheSocketFile) {
  const mode_t before = umask(0);
  ServerProcess server(tree_.root(), UnixOnly({"--listen_unix_mode=0640",
                                               absl::StrCat("--listen_unix_owner=", getuid()),
                                               absl::StrCat("--listen_unix_group=", getgid())}));
  umask(before);
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
  EXPECT_TRUE(Serves());
}

// One user's connections are limited; those that end make room.
TEST_F(AdmissionTest, ConnectionsOfOneUser) {
  ServerProcess server(tree_.root(), {.flags = {"--max_connections_per_uid=2"}});
  RawClient first = RawClient::V1(server.Unix());
  {
    RawClient second = RawClient::V1(server.Unix());
    EXPECT_TRUE(first.Get({.mode = kCopy, .uri = "a"}).ok());
    EXPECT_TRUE(second.Get({.mode = kFdPass, .uri = "a"}).ok());
    const Answer third = RawClient::V1(server.Unix()).Get({.mode = kCopy, .uri = "a"});
    ExpectRefused(third, Status::kUnavailable);
    EXPECT_TRUE(third.Has(kRetryAfterEntry));
    // Who comes by TCP has no uid, and its own limit in --max_connections.
    EXPECT_TRUE(RawClient::V1(server.Tcp()).Get({.mode = kCopy, .uri = "a"}).ok());
  }
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  bool served = false;
  while (!served && absl::Now() < deadline) {
    served = RawClient::V1(server.Unix()).Get({.mode = kCopy, .uri = "a"}).ok();
  }
  EXPECT_TRUE(served) << "the place of a connection that ended was not given back";
}

// What clients send is escaped; a line for each request when it is asked for, none when it is not.
TEST_F(AdmissionTest, RequestLog) {
  ServerProcess server(tree_.root(), {.flags = {"--log_requests"}});
  RawClient client = RawClient::V2(server.Unix(), kInOrder);
  EXPECT_TRUE(client.Get({.mode = kCopy, .uri = "a"}).ok());
  EXPECT_TRUE(client.Get({.mode = kFdPass, .uri = "a"}).ok());
  ExpectRefused(client.Get({.mode = kSplice, .uri = "evil\nI1124 ready: \x1b[2J\""}),
                Status::kNotFound);
  EXPECT_TRUE(server.WaitForLog("OP_COPY \"a\": OK, 6 bytes"));
  EXPECT_TRUE(server.WaitForLog("OP_FDPASS \"a\": OK, 6 bytes"));
  EXPECT_TRUE(server.WaitForLog("OP_SPLICE \"evil\\nI1124 ready: \\x1b[2J\\\"\": NOT_FOUND"));
  EXPECT_FALSE(absl::StrContains(server.log(), "\x1b"));
  EXPECT_FALSE(absl::StrContains(server.log(), "slow: "));
}

// Every request is slow that takes a microsecond; all of them are in the log or counted there.
TEST_F(AdmissionTest, SlowRequests) {
  ServerProcess server(tree_.root(), {.flags = {"--slow_request_us=1"}});
  RawClient client = RawClient::V1(server.Unix());
  for (const char mode : {kCopy, kFdPass, kSplice}) {
    EXPECT_TRUE(client.Get({.mode = mode, .uri = "a"}).ok());
  }
  EXPECT_TRUE(server.WaitForLog("slow: unix peer (pid"));
  EXPECT_TRUE(server.WaitForLog("\"a\": OK, 6 bytes"));
  EXPECT_FALSE(absl::StrContains(server.log(), "request: "));
}

}  // namespace
}  // namespace objmapper::e2e
