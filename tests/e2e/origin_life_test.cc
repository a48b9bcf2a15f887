// Servers that end, or are taken over from, and disks that fill, while objects come from an origin:
// who waits gets what it waits for, and nothing that has come is fetched again.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/e2e/http_client.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/metrics.h"
#include "tests/e2e/writable.h"
#include "tests/net/eventually.h"
#include "tests/origin/bad_origin.h"
#include "tests/origin/gate.h"

namespace objmapper::e2e {
namespace {

using origin::testing::BadOrigin;
using origin::testing::Gate;

constexpr size_t kPart = 256 * 1024;

class OriginLifeTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string why = WhyNotEngine(GetParam() == "model_uring" ? "uring" : GetParam());
    if (!why.empty()) GTEST_SKIP() << why;
  }
  std::unique_ptr<ServerProcess> Start(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--durability=none", "--drain_timeout=60s",
                               "--take_over=" + Path("door"), "--admin_listen=" + Path("admin"),
                               absl::StrCat("--origin=", origin_.url("base"),
                                            " part=256K block=256K parallel=2 ", "immutable")});
    return std::make_unique<ServerProcess>(
        tree_.root(),
        ServerOptions{.engine = GetParam(), .flags = more, .socket_path = Path("socket")});
  }
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }

  // Clients that wait for "big", one by each door; returns once all have been heard.
  struct Waiting {
    RawClient fdpass, copy;
    HttpClient http;
  };
  std::unique_ptr<Waiting> Ask(const ServerProcess& server) {
    auto waiting = std::make_unique<Waiting>(Waiting{Open(server, Transport::kUnix, Dialect::kV2),
                                                     Open(server, Transport::kTcp, Dialect::kV2),
                                                     HttpClient(Connect(server, Transport::kTcp))});
    waiting->fdpass.Ask({.mode = kFdPass, .uri = "big"});
    waiting->copy.Ask({.mode = kCopy, .uri = "big"});
    waiting->http.Say("GET /big HTTP/1.1\nHost: localhost\n\n");
    // Those that a thread has merged with another count as hits.
    const auto asked = [this] {
      double sum = 0;
      for (const char* what : {"hits", "part_hits", "misses"})
        sum +=
            Metric(Path("admin"), absl::StrCat("objmapper_origin_", what, "_total{origin=\"/\"}"));
      return sum;
    };
    EXPECT_TRUE(net::Eventually([&] { return asked() == 3; })) << asked();
    return waiting;
  }
  void ExpectAll(Waiting* waiting, const std::string& body) {
    EXPECT_TRUE(Contents(waiting->fdpass.Next().fd.get()) == body);
    EXPECT_TRUE(waiting->copy.Next().body == body);
    const Reply reply = waiting->http.Next();
    EXPECT_EQ(reply.status, 200);
    EXPECT_TRUE(reply.body == body);
  }

  ObjectTree tree_;
  const TempDir directory_;
  BadOrigin origin_;
};
INSTANTIATE_TEST_SUITE_P(Everything, OriginLifeTest, testing::ValuesIn(kEverything), EngineName);

// A server that is to stop completes what clients wait for, and what it has brought is there for
// the next one.
TEST_P(OriginLifeTest, DrainInMidFill) {
  const std::string body = Pattern(1, 5 * kPart);
  origin_.Put("base/big", body);
  Gate gate;
  origin_.Misbehave("base/big", 3, gate.At(1000));
  std::unique_ptr<ServerProcess> server = Start();
  const auto waiting = Ask(*server);
  server->Signal(SIGTERM);
  EXPECT_TRUE(server->WaitForLog("draining, for at most"));
  EXPECT_TRUE(server->Running());
  gate.Open();
  ExpectAll(waiting.get(), body);
  EXPECT_EQ(server->WaitForExit(), 0) << server->log();
  const size_t asked = origin_.asked().size();
  server = Start();
  RawClient client = Open(*server, Transport::kUnix, Dialect::kV2);
  EXPECT_TRUE(Contents(client.Get({.mode = kFdPass, .uri = "big"}).fd.get()) == body);
  EXPECT_EQ(origin_.asked().size(), asked);
  EXPECT_EQ(origin_.bytes_sent(), body.size());
}

// A successor serves at once; what its predecessor is bringing for its own clients it completes,
// and the successor has it then. Until it does, who asks the successor for that object comes again.
TEST_P(OriginLifeTest, HotRestartInMidFill) {
  const std::string body = Pattern(2, 5 * kPart);
  origin_.Put("base/big", body);
  origin_.Put("base/small", "of the origin");
  Gate gate;
  origin_.Misbehave("base/big", 3, gate.At(1000));
  std::unique_ptr<ServerProcess> old = Start();
  const auto waiting = Ask(*old);
  const std::unique_ptr<ServerProcess> next = Start();
  RawClient client = Open(*next, Transport::kUnix, Dialect::kV2);
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "small"}).body, "of the origin");
  const Answer early = client.Get({.mode = kFdPass, .uri = "big"});
  ExpectRefused(early, Status::kUnavailable);
  EXPECT_TRUE(early.Has(kRetryAfterEntry));
  EXPECT_TRUE(old->Running());
  gate.Open();
  ExpectAll(waiting.get(), body);
  EXPECT_EQ(old->WaitForExit(), 0) << old->log();
  Answer answer;
  EXPECT_TRUE(net::Eventually([&] {
    answer = client.Get({.mode = kFdPass, .uri = "big"});
    return answer.ok();
  }));
  EXPECT_TRUE(Contents(answer.fd.get()) == body);
  // The successor has asked what the object is; its first part at most.
  EXPECT_LE(origin_.bytes_sent(), body.size() + kPart + std::string("of the origin").size());
  EXPECT_EQ(next->Stop(SIGTERM), 0) << next->log();
}

// A server that is killed leaves what has come: the next one fetches the rest.
TEST_P(OriginLifeTest, KilledInMidFill) {
  const std::string body = Pattern(3, 6 * kPart);
  origin_.Put("base/big", body, "\"v1\"");
  Gate gate;
  origin_.Misbehave("base/big", 5, gate.At(1000));
  std::unique_ptr<ServerProcess> server = Start();
  RawClient client = Open(*server, Transport::kUnix, Dialect::kV2);
  client.Ask({.mode = kFdPass, .uri = "big"});
  EXPECT_TRUE(net::Eventually([this] {
    return Metric(Path("admin"), "objmapper_origin_received_bytes_total{origin=\"/\"}") >=
           4 * kPart;
  }));
  EXPECT_EQ(server->Stop(SIGKILL), 128 + SIGKILL);
  gate.Open();
  const uint64_t sent = origin_.bytes_sent();
  server = Start();
  client = Open(*server, Transport::kUnix, Dialect::kV2);
  EXPECT_TRUE(Contents(client.Get({.mode = kFdPass, .uri = "big"}).fd.get()) == body);
  // At least the two blocks that were whole before the two that were on their way; and a byte that
  // confirms the version.
  EXPECT_LE(origin_.bytes_sent() - sent, body.size() - 2 * kPart + 1);
  EXPECT_EQ(server->Stop(SIGTERM), 0) << server->log();
}

}  // namespace
}  // namespace objmapper::e2e
