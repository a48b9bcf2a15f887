// Many requests for many objects of an origin that fails now and then, with room for half of them:
// every answer is right or says why not, and descriptors, memory and disk stay as they are. Long
// with OBJMAPPER_LONG=1 (tools/test --long): 100,000 requests over 1,000 objects.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/e2e/http_client.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/metrics.h"
#include "tests/e2e/object_tree.h"
#include "tests/e2e/raw_client.h"
#include "tests/net/eventually.h"
#include "tests/net/sanitized.h"
#include "tests/origin/bad_origin.h"

namespace objmapper::e2e {
namespace {

using origin::testing::BadOrigin;
using origin::testing::Fault;

constexpr int kClients = 8;
constexpr int kFolders = 7;
constexpr size_t kBytesMax = 200 * 1024;
// What a server that has served everything once may still grow by.
constexpr int64_t kGrowthMax = int64_t{net::kSanitized ? 256 : 32} << 20;

class OriginsSoakTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string why = WhyNotEngine(GetParam());
    if (!why.empty()) GTEST_SKIP() << why;
    if (getenv("OBJMAPPER_LONG") != nullptr) {
      objects_ = 1000;
      requests_ = 100'000;
    }
  }

  static std::string Name(int object) {
    return absl::StrCat("folder", object % kFolders, "/", object);
  }
  static std::string Body(int object) {
    std::mt19937 random(static_cast<unsigned>(object));
    return Pattern(static_cast<unsigned>(object), random() % kBytesMax);
  }
  static Fault RandomFault(std::mt19937* random) {
    switch ((*random)() % 6) {
      case 0:
        return Fault::CutAt((*random)() % 1000);
      case 1:
        return Fault::ResetAt((*random)() % 1000);
      case 2:
        return Fault::Error(500, "InternalError");
      case 3:
        return Fault::Error(503, "SlowDown");
      case 4:
        return Fault::CutBeforeHead();
      default:
        return Fault::Raw("garbage\r\n\r\n");
    }
  }

  // One client's requests, each on whichever of its connections.
  void Ask(const ServerProcess& server, unsigned seed, int requests) {
    std::mt19937 random(seed);
    RawClient unix_client = RawClient::V2(server.Unix(), kInOrder);
    RawClient tcp_client = RawClient::V2(server.Tcp(), kInOrder);
    HttpClient http(server.Tcp());
    for (int i = 0; i < requests; ++i) {
      const int object = static_cast<int>(random() % static_cast<unsigned>(objects_));
      const std::string name = Name(object);
      if (random() % 20 == 0) origin_.Misbehave("base/" + name, 1, RandomFault(&random));
      SCOPED_TRACE(name);
      std::string body;
      bool ok = false;
      if (const unsigned way = random() % 4; way == 3) {
        const Reply reply = http.Get("/" + name);
        ok = reply.status == 200;
        EXPECT_TRUE(ok || reply.status == 503) << reply.head << reply.body;
        body = reply.body;
      } else {
        RawClient& client = way == 0 ? tcp_client : unix_client;
        const Answer answer = client.Get({.mode = way == 1 ? kFdPass : kCopy, .uri = name});
        ok = answer.ok();
        if (!ok) ExpectRefused(answer, Status::kUnavailable);
        if (ok) body = answer.fd.valid() ? Contents(answer.fd.get()) : answer.body;
      }
      ++(ok ? right_ : refused_);
      EXPECT_TRUE(!ok || body == Body(object)) << body.size();
    }
  }
  void AskAll(const ServerProcess& server, unsigned seed, int requests) {
    std::vector<std::thread> clients;
    for (unsigned c = 0; c < kClients; ++c) {
      clients.emplace_back(
          [this, &server, seed, c, requests] { Ask(server, seed + c, requests / kClients); });
    }
    for (std::thread& client : clients) client.join();
  }

  int objects_ = 60;
  int requests_ = 800;
  BadOrigin origin_;
  ObjectTree tree_;
  std::atomic<int> right_{0}, refused_{0};
};
INSTANTIATE_TEST_SUITE_P(Engines, OriginsSoakTest, testing::ValuesIn(kEngines), EngineName);

TEST_P(OriginsSoakTest, StaysAsItIs) {
  // So that no folder is ever empty and removed: whoever has one resolved would keep it open.
  for (int folder = 0; folder < kFolders; ++folder)
    tree_.Add(absl::StrCat("folder", folder, "/own"), "of this disk");
  uint64_t all = 0;
  for (int object = 0; object < objects_; ++object) {
    const std::string body = Body(object);
    all += body.size();
    origin_.Put("base/" + Name(object), body);
  }
  const std::string admin = tree_.outside() + "/admin";
  ServerProcess server(
      tree_.root(),
      {.engine = GetParam(),
       .flags = {absl::StrCat("--origin=", origin_.url("base"), " immutable part=64K block=64K"),
                 "--durability=none", "--admin_listen=" + admin,
                 absl::StrCat("--disk_evict_at=", all / 2)}});
  ASSERT_TRUE(server.Running());
  AskAll(server, 1, requests_ / 4);
  const auto descriptors = SettledDescriptors(server);
  const int64_t resident = server.resident_bytes();
  AskAll(server, 100, requests_);

  ExpectDescriptorsBack(server, descriptors);
  EXPECT_LT(server.resident_bytes() - resident, kGrowthMax);
  // Eviction is a step behind what comes; then it is below its level.
  EXPECT_TRUE(MetricBecomes(admin, "objmapper_origin_fetching", 0));
  EXPECT_TRUE(net::Eventually(
      [&] { return Metric(admin, "objmapper_disk_used_bytes") <= static_cast<double>(all / 2); }));
  EXPECT_GT(Metric(admin, "objmapper_objects_evicted_total"), 0);
  EXPECT_GT(right_, 9 * refused_) << "of " << requests_ << " requests " << refused_
                                  << " were refused";
  EXPECT_EQ(server.Stop(SIGTERM), 0) << server.log();
}

}  // namespace
}  // namespace objmapper::e2e
