// Datagrams, on the real server: what is answered, and how, what is not, and that it is counted.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/copypath/eviction.h"
#include "tests/e2e/datagrams.h"
#include "tests/e2e/matrix.h"
#include "tests/e2e/metrics.h"
#include "tests/origin/bad_origin.h"

namespace objmapper::e2e {
namespace {

constexpr size_t kPayload = 1400;  // the default of --udp_max_payload
const Status kTooLarge = static_cast<Status>(0x08);

class UdpTest : public testing::Test {
 protected:
  void SetUp() override {
    tree_.Add("small", Pattern(1, 1000));
    tree_.Add("empty", "");
    tree_.Add("large", Pattern(2, 100'000));
  }

  ServerOptions With(std::vector<std::string> flags = {}) {
    flags.push_back("--listen_udp=127.0.0.1:0");
    flags.push_back("--admin_listen=" + admin());
    return {.flags = std::move(flags)};
  }
  std::string admin() const { return sockets_.path() + "/admin"; }

  double Metric(const std::string& name) const { return e2e::Metric(admin(), name); }
  ::testing::AssertionResult Becomes(const std::string& name, double wanted) const {
    return MetricBecomes(admin(), name, wanted);
  }

  ObjectTree tree_;
  TempDir sockets_;
};

// A question is answered with the object's bytes, its size and its version, under the question's
// id.
TEST_F(UdpTest, CopyAndStat) {
  ServerProcess server(tree_.root(), With());
  Datagrams udp(UdpPort(server));
  const DatagramAnswer copy = udp.Ask({.mode = kCopy, .uri = "small"});
  EXPECT_EQ(copy.status, Status::kOk);
  EXPECT_EQ(copy.body, Pattern(1, 1000));
  EXPECT_EQ(copy.Number(kSizeEntry), 1000u);
  const DatagramAnswer stat = udp.Ask({.mode = kStat, .uri = "small"});
  EXPECT_EQ(stat.status, Status::kOk);
  EXPECT_TRUE(stat.body.empty());
  EXPECT_EQ(stat.Number(kSizeEntry), 1000u);
  EXPECT_EQ(stat.metadata.at(kEtagEntry), copy.metadata.at(kEtagEntry));
  const DatagramAnswer empty = udp.Ask({.mode = kCopy, .uri = "empty"});
  EXPECT_EQ(empty.status, Status::kOk);
  EXPECT_EQ(empty.Number(kSizeEntry), 0u);
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "missing"}).status, Status::kNotFound);
  EXPECT_EQ(udp.Ask({.mode = kStat, .uri = "missing"}).status, Status::kNotFound);
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "../small"}).status, Status::kPermissionDenied);
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = ""}).status, Status::kInvalidRequest);
  EXPECT_TRUE(Becomes("objmapper_requests_total{mode=\"copy\",status=\"ok\"}", 2));
  EXPECT_TRUE(Becomes("objmapper_object_bytes_total{mode=\"copy\"}", 1000));
}

// What does not fit a datagram is TOO_LARGE and says what would: as much as that is granted, in a
// datagram of no more than --udp_max_payload, and not a byte more.
TEST_F(UdpTest, TooLargeSaysWhatFits) {
  for (const size_t payload : {size_t{1040}, kPayload, size_t{65507}}) {
    SCOPED_TRACE(payload);
    ServerProcess server(tree_.root(), With({absl::StrCat("--udp_max_payload=", payload)}));
    Datagrams udp(UdpPort(server));
    const DatagramAnswer refused =
        udp.Ask({.mode = kCopy, .uri = "large", .flags = kWithRange, .offset = 7});
    EXPECT_EQ(refused.status, kTooLarge);
    ASSERT_EQ(refused.metadata.count(kSizeEntry), 1u);
    EXPECT_EQ(refused.Number(kSizeEntry), 100'000u);
    ASSERT_EQ(refused.metadata.at(kRangeEntry).size(), 16u);
    EXPECT_EQ(BigEndian(refused.metadata.at(kRangeEntry).substr(0, 8)), 7u);
    const uint64_t fits = BigEndian(refused.metadata.at(kRangeEntry).substr(8));
    const DatagramAnswer granted =
        udp.Ask({.mode = kCopy, .uri = "large", .flags = kWithRange, .offset = 7, .length = fits});
    EXPECT_EQ(granted.status, Status::kOk);
    EXPECT_EQ(granted.body, Pattern(2, 100'000).substr(7, fits));
    EXPECT_EQ(granted.bytes, payload);
    EXPECT_EQ(udp.Ask({.mode = kCopy,
                       .uri = "large",
                       .flags = kWithRange,
                       .offset = 7,
                       .length = fits + 1})
                  .status,
              kTooLarge);
    EXPECT_TRUE(Becomes("objmapper_udp_too_large_total", 2));
  }
}

// Ranges are cut at the object's end, and refused past it.
TEST_F(UdpTest, Ranges) {
  ServerProcess server(tree_.root(), With());
  Datagrams udp(UdpPort(server));
  const DatagramAnswer end =
      udp.Ask({.mode = kCopy, .uri = "large", .flags = kWithRange, .offset = 99'990, .length = 99});
  EXPECT_EQ(end.status, Status::kOk);
  EXPECT_EQ(end.body, Pattern(2, 100'000).substr(99'990));
  EXPECT_EQ(BigEndian(end.metadata.at(kRangeEntry).substr(8)), 10u);
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "large", .flags = kWithRange, .offset = 100'000}).status,
            Status::kOk);
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "large", .flags = kWithRange, .offset = 100'001}).status,
            Status::kRangeNotSatisfiable);
}

// The other modes are refused and do nothing.
TEST_F(UdpTest, OtherModesAreRefused) {
  ServerProcess server(tree_.root(), With());
  Datagrams udp(UdpPort(server));
  for (const char mode : {kFdPass, kSplice, kPutFd, kDelete, kList, 'z'}) {
    EXPECT_EQ(udp.Ask({.mode = mode, .uri = "small"}).status, Status::kInvalidMode) << mode;
  }
  EXPECT_EQ(udp.Ask({.mode = kPut, .uri = "new", .body = "bytes"}).status, Status::kInvalidMode);
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "small", .flags = 0x80}).status,
            Status::kInvalidRequest);
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "small", .flags = kOrdered | kPriority}).status,
            Status::kOk);
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "new"}).status, Status::kNotFound);
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "small"}).status, Status::kOk);
}

// What is no request gets no answer, and is counted: each beginning of one, one with something
// behind it, what other transports understand, and what is longer than any request.
TEST_F(UdpTest, WhatDoesNotParseIsDroppedAndCounted) {
  ServerProcess server(tree_.root(), With());
  Datagrams udp(UdpPort(server));
  const std::string request =
      V2Request(1, {.mode = kCopy, .uri = "small", .flags = kWithRange, .offset = 3, .length = 4});
  std::vector<std::string> garbage;
  for (size_t bytes = 0; bytes < request.size(); ++bytes)
    garbage.push_back(request.substr(0, bytes));
  garbage.push_back(request + "x");
  garbage.push_back(request + request);
  garbage.push_back(Hello(kInOrder, 8));
  garbage.push_back(V1Request(kCopy, "small"));
  garbage.push_back(Close(0));
  garbage.push_back(std::string(1, '\x02') + request.substr(1));
  garbage.push_back(V2Request(1, {.mode = kCopy, .uri = std::string(4097, 'a')}));
  garbage.push_back(std::string(60'000, '\x01'));
  size_t sent = 0;
  for (const std::string& datagram : garbage) {
    udp.Send(datagram);
    ++sent;
    // One after the other, so that none is lost for want of room.
    ASSERT_TRUE(Becomes("objmapper_udp_dropped_total", static_cast<double>(sent)))
        << datagram.size() << " bytes";
  }
  EXPECT_FALSE(udp.HasMore());
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "small"}).status, Status::kOk);
  EXPECT_TRUE(Becomes("objmapper_udp_answered_total", 1));
  EXPECT_EQ(Metric("objmapper_udp_received_total"), static_cast<double>(sent + 1));
}

// A URI of the greatest length is answered, whatever it names.
TEST_F(UdpTest, TheLongestRequestIsAnswered) {
  ServerProcess server(tree_.root(), With());
  Datagrams udp(UdpPort(server));
  const DatagramAnswer answer = udp.Ask({.mode = kCopy,
                                         .uri = std::string(kUriBytesMax, 'a'),
                                         .flags = kWithRange,
                                         .offset = 1,
                                         .length = 2});
  EXPECT_EQ(answer.status, Status::kUriTooLong);
  EXPECT_LE(answer.bytes, kPayload);
}

// A flood of random bytes, some of which look like requests, keeps nobody from an answer.
TEST_F(UdpTest, AFloodOfGarbage) {
  ServerProcess server(tree_.root(), With());
  Datagrams flood(UdpPort(server)), udp(UdpPort(server));
  std::minstd_rand random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random() % 60, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (!bytes.empty() && i % 2 == 0) bytes[0] = 0x01;
    flood.Send(bytes);
    if (i % 1000 != 0) continue;
    EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "small"}).body, Pattern(1, 1000));
  }
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "small"}).body, Pattern(1, 1000));
  EXPECT_GT(Metric("objmapper_udp_dropped_total"), 0);
  EXPECT_EQ(Metric("objmapper_lane_threads{lane=\"udp\"}"), 1);
}

// What is not in the page cache is answered too, by the threads that may wait for it.
TEST_F(UdpTest, ColdObjects) {
  ServerProcess server(tree_.root(), With());
  Datagrams udp(UdpPort(server));
  EXPECT_EQ(udp.Ask({.mode = kStat, .uri = "large"}).status, Status::kOk);
  const double before = Metric("objmapper_udp_cold_total");
  // Where the machine is busy the kernel may have the pages again by the time that the request has
  // come.
  for (int attempt = 0; attempt < 20 && Metric("objmapper_udp_cold_total") == before; ++attempt) {
    if (!copypath::Evict(tree_.Path("large"))) GTEST_SKIP() << "this file system keeps its pages";
    EXPECT_EQ(udp.Ask({.mode = kCopy,
                       .uri = "large",
                       .flags = kWithRange,
                       .offset = 50'000,
                       .length = 1000})
                  .body,
              Pattern(2, 100'000).substr(50'000, 1000));
  }
  EXPECT_GT(Metric("objmapper_udp_cold_total"), before);
  EXPECT_TRUE(Becomes("objmapper_udp_cold_pending", 0));
}

// The rules speak of senders as of TCP peers.
TEST_F(UdpTest, RulesApply) {
  tree_.Add("public/a", "a");
  const std::string rules = sockets_.path() + "/rules";
  std::ofstream(rules) << "uid 0 / read\ntcp /public read\n";
  ServerProcess server(tree_.root(), With({"--rules_file=" + rules}));
  Datagrams udp(UdpPort(server));
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "public/a"}).body, "a");
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "small"}).status, Status::kPermissionDenied);
  EXPECT_EQ(udp.Ask({.mode = kStat, .uri = "small"}).status, Status::kPermissionDenied);
}

// It serves by UDP alone, with every model, and makes no other socket.
TEST_F(UdpTest, UdpAloneWithEachModel) {
  for (const char* model : {"mode_routing", "auto", "thread_per_request", "thread_per_connection",
                            "thread_pool", "accept_pool", "work_stealing", "epoll", "seda"}) {
    SCOPED_TRACE(model);
    ServerProcess server(tree_.root(),
                         {.flags = {"--root=" + tree_.root(), "--listen_udp=127.0.0.1:0",
                                    absl::StrCat("--concurrency_model=", model)},
                          .only_flags = true});
    EXPECT_FALSE(absl::StrContains(server.log(), "listening on unix:"));
    Datagrams udp(UdpPort(server));
    EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "small"}).body, Pattern(1, 1000));
    EXPECT_EQ(server.Stop(SIGTERM), 0);
  }
}

// What has arrived when the server is told to stop is still answered.
TEST_F(UdpTest, DrainAnswersWhatHasArrived) {
  ServerProcess server(tree_.root(), With());
  Datagrams udp(UdpPort(server));
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "small"}).status, Status::kOk);
  server.Signal(SIGSTOP);
  constexpr uint32_t kWaiting = 100;
  for (uint32_t id = 0; id < kWaiting; ++id)
    udp.Send(V2Request(id, {.mode = kStat, .uri = "small"}));
  server.Signal(SIGTERM);
  server.Signal(SIGCONT);
  EXPECT_EQ(server.WaitForExit(), 0);
  for (uint32_t id = 0; id < kWaiting; ++id) {
    const std::optional<DatagramAnswer> answer = udp.Receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->id, id);
    EXPECT_EQ(answer->status, Status::kOk);
  }
}

// A port that somebody has is refused; by a successor it is shared, until the predecessor has gone.
TEST_F(UdpTest, ASuccessorTakesThePort) {
  const std::string door = "--take_over=" + sockets_.path() + "/door";
  ServerProcess first(tree_.root(), {.flags = {"--listen_udp=127.0.0.1:0", door},
                                     .socket_path = sockets_.path() + "/s"});
  const uint16_t port = UdpPort(first);
  Datagrams udp(port);
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "small"}).status, Status::kOk);
  const std::string listen = absl::StrCat("--listen_udp=127.0.0.1:", port);
  EXPECT_NE(ServerProcess::StartRefused(tree_.root(), {.flags = {listen}}).exit_status, 0);
  ServerProcess second(tree_.root(),
                       {.flags = {listen, door}, .socket_path = sockets_.path() + "/s"});
  EXPECT_EQ(first.WaitForExit(), 0);
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "small"}).body, Pattern(1, 1000));
}

// Of an origin's objects those are answered that are here, and compared with it when it is time;
// but nothing is fetched for a datagram, and nothing that may be there is said not to be.
TEST_F(UdpTest, Origins) {
  origin::testing::BadOrigin origin;
  origin.Put("base/a", "of the origin");
  ServerProcess server(tree_.root(), With({"--durability=none",
                                           "--origin=" + origin.url("base") + " revalidate=0"}));
  Datagrams udp(UdpPort(server));
  for (const char mode : {kCopy, kStat}) {
    const DatagramAnswer absent = udp.Ask({.mode = mode, .uri = "a"});
    EXPECT_EQ(absent.status, Status::kUnavailable);
    EXPECT_TRUE(absl::StrContains(absent.metadata.at(kErrorEntry), "by a connection"));
  }
  EXPECT_EQ(origin.asked().size(), 0u);
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "small"}).body, Pattern(1, 1000));
  EXPECT_EQ(origin.asked().size(), 0u);
  RawClient client = Open(server, Transport::kUnix, Dialect::kV2);
  EXPECT_EQ(client.Get({.mode = kCopy, .uri = "a"}).body, "of the origin");
  EXPECT_TRUE(Becomes("objmapper_origin_fetching", 0));
  const size_t asked = origin.asked().size();
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "a"}).body, "of the origin");
  EXPECT_GT(origin.asked().size(), asked);
  EXPECT_EQ(origin.asked().back().status, 304);
  origin.Delete("base/a");
  EXPECT_EQ(udp.Ask({.mode = kCopy, .uri = "a"}).status, Status::kNotFound);
}

}  // namespace
}  // namespace objmapper::e2e
