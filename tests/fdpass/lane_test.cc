#include "fdpass/lane.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/fdpass/worker_fixture.h"

namespace objmapper::fdpass {
namespace {

class LaneTest : public WorkerTest {
 protected:
  static constexpr size_t kWorkers = 3;

  void SetUp() override {
    WriteObjects();
    Start();  // for its options; its own worker stays without connections
    absl::StatusOr<std::unique_ptr<FdPassLane>> lane =
        FdPassLane::Create(options_, kWorkers, GetParam());
    ASSERT_TRUE(lane.ok()) << lane.status();
    lane_ = *std::move(lane);
  }
  void TearDown() override { lane_->Stop(); }

  ClientEnd Connect(Dialect dialect = Dialect::kV2) {
    net::SocketPair pair = net::SocketPair::Unix();
    lane_->Adopt(MakeSession(std::move(pair.ours), session::Transport::kUnix, &limits_, &counters_,
                             dialect, protocol::kFdInHeader));
    return ClientEnd(std::move(pair.peer), dialect, /*greeted=*/true);
  }
  std::vector<size_t> Loads() const {
    std::vector<size_t> loads;
    for (const auto& worker : lane_->workers()) loads.push_back(worker->load());
    return loads;
  }

  std::unique_ptr<FdPassLane> lane_;
};

// Connections are spread evenly.
TEST_P(LaneTest, SpreadsEvenly) {
  ASSERT_EQ(lane_->workers().size(), kWorkers);
  std::vector<ClientEnd> clients;
  for (size_t i = 1; i <= 20; ++i) {
    clients.push_back(Connect());
    const std::vector<size_t> loads = Loads();
    const auto [least, most] = std::minmax_element(loads.begin(), loads.end());
    EXPECT_LE(*most - *least, 1u) << "after " << i;
  }
}

// A new connection goes to the worker that has the fewest, so the places of those who left are
// filled first.
TEST_P(LaneTest, FewestConnectionsFirst) {
  // Which worker has whom is found by watching the loads.
  std::vector<std::vector<ClientEnd>> clients(kWorkers);
  for (size_t i = 0; i < 4 * kWorkers; ++i) {
    const std::vector<size_t> before = Loads();
    ClientEnd client = Connect();
    const std::vector<size_t> after = Loads();
    for (size_t w = 0; w < kWorkers; ++w) {
      if (after[w] != before[w]) clients[w].push_back(std::move(client));
    }
  }
  ASSERT_EQ(clients[1].size(), 4u);
  clients[1].clear();
  EXPECT_TRUE(net::Eventually([this] { return lane_->workers()[1]->load() == 0; }));
  for (int i = 0; i < 4; ++i) EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
  std::vector<ClientEnd> late;
  for (size_t i = 1; i <= 4; ++i) {
    late.push_back(Connect());
    EXPECT_EQ(Loads(), (std::vector<size_t>{4, i, 4}));
  }
}

// Every worker serves.
TEST_P(LaneTest, EveryWorkerServes) {
  std::vector<ClientEnd> clients;
  for (int i = 0; i < 9; ++i) {
    clients.push_back(Connect());
    clients.back().Send(RequestBytes(
        Dialect::kV2, {.mode = Mode::kFdPass, .uri = Uri(i), .id = static_cast<uint32_t>(i)}));
  }
  for (int i = 0; i < 9; ++i) ExpectAnswer(&clients[i], i, /*in_header=*/true);
  for (const auto& worker : lane_->workers()) {
    EXPECT_TRUE(net::Eventually([&] { return worker->counters().requests == 3; }));
  }
}

// Draining reaches every worker.
TEST_P(LaneTest, DrainReachesEverybody) {
  std::vector<ClientEnd> clients;
  for (int i = 0; i < 9; ++i) clients.push_back(Connect());
  lane_->Drain();
  for (ClientEnd& client : clients) {
    EXPECT_TRUE(client.Next().Closes(protocol::CloseReason::kShuttingDown));
    EXPECT_TRUE(client.AtEnd());
    EXPECT_NE(switchboard_.AwaitRetired(), nullptr);
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, LaneTest, testing::ValuesIn(kEngines),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace objmapper::fdpass
