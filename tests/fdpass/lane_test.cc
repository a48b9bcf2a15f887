// The lane gives a connection to the worker with the fewest.
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
    options_.in_use = kWorkers;
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
    for (const auto& worker : lane_->loops()) loads.push_back(worker->load());
    return loads;
  }

  std::unique_ptr<FdPassLane> lane_;
};

// Connections are spread evenly.
TEST_P(LaneTest, SpreadsEvenly) {
  ASSERT_EQ(lane_->loops().size(), kWorkers);
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
  EXPECT_TRUE(net::Eventually([this] { return lane_->loops()[1]->load() == 0; }));
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
  for (const auto& worker : lane_->loops()) {
    EXPECT_TRUE(net::Eventually([&] { return worker->counters().requests == 3; }));
  }
}

// Connections are brought together, and spread, by the number of workers that are in use, at
// moments when they owe nothing: no client notices, however much it asks meanwhile.
TEST_P(LaneTest, MovesThemUnnoticed) {
  lane_->Use(1);
  std::vector<ClientEnd> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(Connect());
  EXPECT_EQ(Loads(), (std::vector<size_t>{12, 0, 0}));
  uint32_t asked = 0, answered = 0;
  const auto ask_all = [&](int times) {
    for (int i = 0; i < times; ++i, ++asked) {
      for (ClientEnd& client : clients) {
        client.Send(RequestBytes(
            Dialect::kV2,
            {.mode = Mode::kFdPass, .uri = Uri(static_cast<int>(asked)), .id = asked}));
      }
    }
  };
  const auto read_all = [&] {
    for (; answered < asked; ++answered) {
      for (ClientEnd& client : clients)
        ExpectAnswer(&client, static_cast<int>(answered), /*in_header=*/true);
    }
  };
  for (const int in_use : {3, 2, 1, 3, 1}) {
    ask_all(10);
    lane_->Use(in_use);
    ask_all(10);
    const bool spread = net::Eventually([&] {
      read_all();
      ask_all(1);
      const std::vector<size_t> loads = Loads();
      size_t most = 0, all = 0;
      for (size_t w = 0; w < kWorkers; ++w) {
        all += loads[w];
        most = std::max(most, loads[w]);
        if (w >= static_cast<size_t>(in_use) && loads[w] > 0) return false;
      }
      return all == 12 && most == 12u / static_cast<size_t>(in_use);
    });
    EXPECT_TRUE(spread) << in_use << " in use";
  }
  read_all();
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
