// The pool runs all work, keeps the order of one thread, and never lets long work take all threads.
#include "copypath/blocking_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "tests/net/eventually.h"

namespace objmapper::copypath {
namespace {

using net::Eventually;

// A piece of work that lasts until a test lets it end.
class Gate {
 public:
  std::function<void()> Work() {
    return [this] {
      began_.set_value();
      open_.get_future().wait();
      ended = true;
    };
  }
  bool AwaitBegin() {
    return began_.get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  }
  void Open() { open_.set_value(); }

  std::atomic<bool> ended{false};

 private:
  std::promise<void> began_;
  std::promise<void> open_;
};

// One thread runs everything in the order of arrival.
TEST(BlockingPoolTest, OneThreadKeepsOrder) {
  BlockingPool pool(1);
  std::vector<int> order;  // the pool's thread's, until the last has run
  std::promise<void> done;
  for (int i = 0; i < 100; ++i) pool.Run([&order, i] { order.push_back(i); });
  pool.Run([&done] { done.set_value(); });
  ASSERT_EQ(done.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
  EXPECT_EQ(order.size(), 100u);
  pool.Stop();
}

// Work from many threads all runs, each piece once.
TEST(BlockingPoolTest, ManySenders) {
  BlockingPool pool(3);
  std::atomic<int> ran{0};
  std::vector<std::thread> senders;
  for (int i = 0; i < 4; ++i) {
    senders.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) pool.Run([&ran] { ++ran; });
    });
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_TRUE(Eventually([&] { return ran == 4000; }));
  pool.Stop();
  EXPECT_EQ(ran, 4000);
}

// As many pieces run at once as there are threads; one that waits holds up no other.
TEST(BlockingPoolTest, ThreadsRunAtOnce) {
  BlockingPool pool(2);
  Gate slow;
  pool.Run(slow.Work());
  EXPECT_TRUE(slow.AwaitBegin());
  std::atomic<bool> ran{false};
  pool.Run([&ran] { ran = true; });
  EXPECT_TRUE(Eventually([&] { return ran.load(); }));
  EXPECT_FALSE(slow.ended);
  slow.Open();
  pool.Stop();
  EXPECT_TRUE(slow.ended);
}

// A pool with every thread at work has none idle; before and after, it has.
TEST(BlockingPoolTest, KnowsWhetherAThreadIsIdle) {
  BlockingPool pool(2);
  EXPECT_TRUE(Eventually([&] { return pool.HasIdleThread(); }));
  Gate first, second;
  pool.Run(first.Work());
  EXPECT_TRUE(first.AwaitBegin());
  EXPECT_TRUE(Eventually([&] { return pool.HasIdleThread(); }));
  pool.Run(second.Work());
  EXPECT_TRUE(second.AwaitBegin());
  EXPECT_FALSE(pool.HasIdleThread());
  first.Open();
  EXPECT_TRUE(Eventually([&] { return pool.HasIdleThread(); }));
  second.Open();
  pool.Stop();
}

// Stopping waits for what has begun; what comes later never runs, and what it holds is let go.
TEST(BlockingPoolTest, StopWaitsForWhatHasBegun) {
  auto held = std::make_shared<int>(0);
  Gate begun;
  std::atomic<bool> late_ran{false};
  {
    BlockingPool pool(1);
    pool.Run(begun.Work());
    EXPECT_TRUE(begun.AwaitBegin());
    pool.Run([held] {});  // runs or is dropped: the thread may be told to stop first
    std::thread opener([&begun] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      begun.Open();
    });
    pool.Stop();
    EXPECT_TRUE(begun.ended);
    opener.join();
    pool.Run([held, &late_ran] { late_ran = true; });
  }
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(late_ran);
}

// Long work has half of the threads: what is short runs, however much long work there is and
// however long it takes.
TEST(BlockingPoolTest, ShortWorkDoesNotWaitForLong) {
  BlockingPool pool(4);
  Gate first, second;
  pool.Run(first.Work(), BlockingPool::Length::kLong);
  pool.Run(second.Work(), BlockingPool::Length::kLong);
  EXPECT_TRUE(first.AwaitBegin());
  EXPECT_TRUE(second.AwaitBegin());
  std::atomic<int> long_ran{0}, short_ran{0};
  for (int i = 0; i < 20; ++i) pool.Run([&long_ran] { ++long_ran; }, BlockingPool::Length::kLong);
  for (int i = 0; i < 20; ++i) pool.Run([&short_ran] { ++short_ran; });
  EXPECT_TRUE(Eventually([&] { return short_ran == 20; }));
  EXPECT_EQ(long_ran, 0);
  first.Open();
  EXPECT_TRUE(Eventually([&] { return long_ran == 20; }));
  second.Open();
  pool.Stop();
}

// One thread takes turns: pieces of long work that are queued anew each time do not keep what is
// short from running, nor the other way round.
TEST(BlockingPoolTest, OneThreadTakesTurns) {
  BlockingPool pool(1);
  Gate gate;
  pool.Run(gate.Work());
  EXPECT_TRUE(gate.AwaitBegin());
  std::atomic<int> pieces{0};
  std::function<void()> piece = [&] {
    if (++pieces < 1000) pool.Run(piece, BlockingPool::Length::kLong);
  };
  pool.Run(piece, BlockingPool::Length::kLong);
  std::atomic<int> before_short{0}, short_ran{0};
  for (int i = 0; i < 10; ++i) {
    pool.Run([&] {
      if (++short_ran == 10) before_short = pieces.load();
    });
  }
  gate.Open();
  EXPECT_TRUE(Eventually([&] { return pieces == 1000 && short_ran == 10; }));
  EXPECT_LE(before_short, 11);
  EXPECT_GE(before_short, 9);
  pool.Stop();
}

}  // namespace
}  // namespace objmapper::copypath
