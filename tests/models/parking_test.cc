// A parked connection is reported once, by the first event or by its deadline.
#include "models/parking.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "net/clock.h"
#include "net/mutex.h"
#include "tests/net/eventually.h"
#include "tests/net/socket_pair.h"
#include "tests/session/client_end.h"

namespace objmapper::models {
namespace {

using protocol::Dialect;

class ClosingSwitchboard : public session::Switchboard {
 public:
  void Route(std::unique_ptr<session::Session>) override { FAIL() << "a model serves every mode"; }
  void Retire(std::unique_ptr<session::Session> session) override { session.reset(); }
};

class ParkingTest : public testing::Test {
 protected:
  ParkingTest() {
    Options options;
    options.limits = &limits_;
    options.connections = &counters_;
    options.switchboard = &switchboard_;
    context_ = std::make_unique<Context>(options);
    parking_ = std::make_unique<Parking>(context_.get(), [this](std::unique_ptr<Connection> c) {
      net::MutexLock lock(&mutex_);
      ready_.push_back(std::move(c));
    });
    parking_->Start();
  }
  ~ParkingTest() override {
    context_->phase.Stop();
    parking_->Stop();
    parking_.reset();
    ready_.clear();
    EXPECT_EQ(counters_.open, 0u);
  }

  // A connection that expires at `deadline_ns`, parked; its client.
  session::ClientEnd Park(int64_t deadline_ns) {
    net::SocketPair pair = net::SocketPair::Unix();
    auto connection = std::make_unique<Connection>(MakeSession(
        std::move(pair.ours), session::Transport::kUnix, &limits_, &counters_, Dialect::kV2));
    connection->deadline_ns = deadline_ns;
    parking_->Park(std::move(connection));
    return session::ClientEnd(std::move(pair.peer), Dialect::kV2, /*greeted=*/true);
  }
  size_t Ready() {
    net::MutexLock lock(&mutex_);
    return ready_.size();
  }
  bool AwaitReady(size_t count) {
    return net::Eventually([&] { return Ready() == count; });
  }
  std::unique_ptr<Connection> TakeReady() {
    net::MutexLock lock(&mutex_);
    std::unique_ptr<Connection> last = std::move(ready_.back());
    ready_.pop_back();
    return last;
  }

  session::SessionLimits limits_{.idle_timeout = absl::Hours(1), .request_timeout = absl::Hours(1)};
  session::ConnectionCounters counters_;
  ClosingSwitchboard switchboard_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Parking> parking_;
  net::Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> ready_ GUARDED_BY(mutex_);
};

// Who says something is ready, nobody else; and again after it has been parked again.
TEST_F(ParkingTest, ReadableConnectionIsReadyEachTimeItIsParked) {
  session::ClientEnd silent = Park(net::kNever);
  session::ClientEnd client = Park(net::kNever);
  client.Send("a");
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(AwaitReady(1));
    parking_->Park(TakeReady());  // its byte is still unread
  }
  ASSERT_TRUE(AwaitReady(1));
  EXPECT_EQ(counters_.open, 2u);
}

// A client that leaves is ready too: who serves it sees the end.
TEST_F(ParkingTest, HangUpIsReady) {
  Park(net::kNever).Close();
  EXPECT_TRUE(AwaitReady(1));
}

// A deadline ends the connection, also one that comes before the thread meant to wake.
TEST_F(ParkingTest, DeadlineEndsTheConnection) {
  session::ClientEnd patient = Park(net::kNever);
  session::ClientEnd late = Park(net::NowNs() + 20'000'000);
  EXPECT_TRUE(late.Next().Closes(protocol::CloseReason::kIdleTimeout));
  EXPECT_TRUE(late.AtEnd());
  EXPECT_EQ(counters_.timed_out, 1u);
  // The socket is closed a moment before its place is free.
  EXPECT_TRUE(net::Eventually([&] { return counters_.open == 1; }));
  EXPECT_EQ(Ready(), 0u);
}

// The drain lets everybody go to be told, and those who are parked after its beginning.
TEST_F(ParkingTest, DrainMakesAllReady) {
  session::ClientEnd before = Park(net::kNever);
  context_->phase.Drain();
  parking_->Wake();
  ASSERT_TRUE(AwaitReady(1));
  session::ClientEnd after = Park(net::kNever);
  EXPECT_TRUE(AwaitReady(2));
}

}  // namespace
}  // namespace objmapper::models
