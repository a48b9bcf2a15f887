// Work over several connections.
#include "client/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/client/fake_server.h"

namespace objmapper::client {
namespace {

class ParallelTest : public testing::Test {
 protected:
  // Runs `count` pieces over at most `connections` connections to `server`.
  void Run(const FakeServer& server, size_t count, size_t connections,
           absl::FunctionRef<void(size_t, Client&)> work) {
    ParallelOptions options;
    options.connections = connections;
    options.connect = [&]() -> absl::StatusOr<Client> {
      ++asked_;
      if (allowed_.fetch_sub(1) <= 0) return absl::UnavailableError("no more");
      return Client::Connect(server.url());
    };
    InParallel(
        count, options,
        [&](size_t index, Client& client) {
          work(index, client);
          const std::lock_guard<std::mutex> lock(mutex_);
          EXPECT_TRUE(done_.insert(index).second) << index;
        },
        [&](size_t index, const absl::Status& why) {
          EXPECT_EQ(why.message(), "no more");
          EXPECT_TRUE(skipped_.insert(index).second) << index;
        });
  }

  std::atomic<int> allowed_{1000};  // connections
  std::atomic<int> asked_{0};
  std::mutex mutex_;
  std::set<size_t> done_;
  std::set<size_t> skipped_;
};

// A script for a connection that is made and ended.
void Greet(Peer& peer) {
  peer.ReadHello();
  peer.AnswerHello();
  while (peer.AwaitMore()) {
    const Asked asked = peer.ReadRequest();
    if (asked.uri == "end") return;
    peer.Send(Ok(asked.id, 0));
  }
}

// Each piece is done once, whatever the numbers, and no more connections are made than there is
// work.
TEST_F(ParallelTest, EachPieceOnce) {
  for (const size_t count : {0, 1, 3, 100}) {
    for (const size_t connections : {1, 4, 300}) {
      done_.clear();
      asked_ = 0;
      const auto server = FakeServer::ForMany(Greet);
      Run(*server, count, connections,
          [](size_t, Client& client) { EXPECT_TRUE(client.Delete("a").ok()); });
      EXPECT_EQ(done_.size(), count);
      EXPECT_LE(static_cast<size_t>(asked_.load()), std::min(count, connections));
    }
  }
}

// They do overlap: no piece ends here before all have begun.
TEST_F(ParallelTest, Overlaps) {
  const auto server = FakeServer::ForMany(Greet);
  std::atomic<int> begun{0};
  Run(*server, 4, 4, [&](size_t, Client&) {
    ++begun;
    while (begun.load() < 4) std::this_thread::yield();  // the test's time limit is its bound
  });
  EXPECT_EQ(done_.size(), 4u);
}

// A connection that breaks costs its own piece alone: the next one gets a new connection.
TEST_F(ParallelTest, ConnectionsThatBreakAreReplaced) {
  const auto server = FakeServer::ForMany(Greet);
  std::atomic<int> broken{0};
  Run(*server, 20, 2, [&](size_t index, Client& client) {
    if (!client.Delete(index % 2 == 0 ? "end" : "a").ok()) ++broken;
  });
  EXPECT_EQ(done_.size(), 20u);
  EXPECT_EQ(broken.load(), 10);
}

// A server that takes fewer connections than were asked for is enough; one that takes none any more
// leaves the rest, and says why.
TEST_F(ParallelTest, FewerConnections) {
  const auto server = FakeServer::ForMany(Greet);
  allowed_ = 2;
  Run(*server, 50, 8, [](size_t, Client& client) { EXPECT_TRUE(client.Delete("a").ok()); });
  EXPECT_EQ(done_.size(), 50u);
  EXPECT_TRUE(skipped_.empty());

  done_.clear();
  allowed_ = 1;
  Run(*server, 5, 1, [](size_t index, Client& client) {
    EXPECT_EQ(client.Delete(index == 2 ? "end" : "a").ok(), index != 2);
  });
  EXPECT_EQ(done_, (std::set<size_t>{0, 1, 2}));
  EXPECT_EQ(skipped_, (std::set<size_t>{3, 4}));
}

}  // namespace
}  // namespace objmapper::client
