// A loop's thread: its beginning, its pulse, its end.
#include "loop/loop_thread.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>

#include "net/mutex.h"
#include "tests/loop/loop_fixture.h"
#include "tests/net/eventually.h"
#include "tests/net/fds_left.h"
#include "tests/net/socket_pair.h"

namespace objmapper::loop {
namespace {

// A switchboard that holds up whoever retires a session.
class Gate : public session::Switchboard {
 public:
  void Route(std::unique_ptr<session::Session> session) override { Retire(std::move(session)); }
  void Retire(std::unique_ptr<session::Session> /*session*/) override {
    const net::MutexLock wait_for_the_gate(&mutex_);
  }
  net::Mutex& mutex() { return mutex_; }

 private:
  net::Mutex mutex_;
};

class LoopThreadTest : public LoopTest {};

// It has the engine that was asked for, or there is no thread.
TEST_P(LoopThreadTest, TheEngineAskedFor) {
  Start();
  EXPECT_STREQ(loop_->loop().engine_name(), GetParam() == EngineKind::kUring ? "uring" : "epoll");
  if (GetParam() != EngineKind::kUring) return;
  LoopThread refused(options_);
  std::optional<net::FdsLeft> none(0);  // a ring is a descriptor
  const absl::Status started = refused.Start(1);
  none.reset();
  EXPECT_EQ(started.code(), absl::StatusCode::kFailedPrecondition) << started;
}

// A thread that is held up has no pulse, and what comes waits; both show, until it goes on.
TEST_P(LoopThreadTest, HeldUp) {
  Gate gate;
  Start();
  options_.switchboard = &gate;
  LoopThread thread(options_);
  ASSERT_TRUE(thread.Start(1).ok());
  EXPECT_TRUE(thread.HasPulse()) << "nobody has asked";
  thread.AskPulse();
  EXPECT_TRUE(net::Eventually([&] { return thread.HasPulse(); }));

  std::optional<net::SocketPair> first = net::SocketPair::Unix(), second = net::SocketPair::Unix();
  const auto adopt = [&](std::optional<net::SocketPair>* pair) {
    thread.Adopt(MakeSession(std::move((*pair)->ours), session::Transport::kUnix, &limits_,
                             &counters_, Dialect::kV1));
  };
  {
    const net::MutexLock closed(&gate.mutex());
    adopt(&first);
    EXPECT_EQ(thread.load(), 1u);
    first.reset();
    EXPECT_TRUE(net::Eventually([&] { return thread.load() == 0; })) << "it retires the session";
    thread.AskPulse();
    adopt(&second);
    EXPECT_FALSE(thread.HasPulse());
    EXPECT_EQ(thread.queue_depth(), 1u);
    EXPECT_EQ(thread.load(), 1u);
  }
  EXPECT_TRUE(net::Eventually([&] { return thread.HasPulse() && thread.queue_depth() == 0; }));
  thread.Stop();
  EXPECT_EQ(thread.load(), 0u);
}

// Who comes while it drains is let go too; who comes when it has stopped is closed.
TEST_P(LoopThreadTest, DrainsAndStops) {
  Start();
  ClientEnd before = Connect(Dialect::kV2);
  loop_->Drain();
  EXPECT_TRUE(before.Next().Closes(protocol::CloseReason::kShuttingDown));
  ExpectRetired(&before);
  ClientEnd after = Connect(Dialect::kV2);
  EXPECT_TRUE(after.Next().Closes(protocol::CloseReason::kShuttingDown));
  ExpectRetired(&after);
}

INSTANTIATE_TEST_SUITE_P(Engines, LoopThreadTest, testing::ValuesIn(kEngineKinds), NameOf);

}  // namespace
}  // namespace objmapper::loop
