#include "net/serving_thread.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "tests/net/eventually.h"

namespace objmapper::net {
namespace {

// Serves as the loops do: sleeps until there is something, takes its mail, beats.
class Server {
 public:
  void Start(const std::string& name) {
    thread.Start(name, [this] { Run(); });
  }

  std::vector<int> taken;             // after Stop()
  std::vector<ServingPhase> entered;  // after Stop()
  std::atomic<bool> hangs{false}, hanging{false};
  std::atomic<bool> draining{false};
  std::string name;  // after Stop()
  ServingThread<int> thread;

 private:
  void Run() {
    char buffer[32] = "";
    pthread_getname_np(pthread_self(), buffer, sizeof(buffer));
    name = buffer;
    while (true) {
      pollfd wait{thread.event_fd(), POLLIN, 0};
      poll(&wait, 1, -1);
      for (const int letter : thread.TakeAll()) taken.push_back(letter);
      while (hangs.load()) {
        hanging.store(true);
        std::this_thread::yield();
      }
      const ServingPhase asked = thread.Beat();
      if (thread.Enter(asked)) entered.push_back(asked);
      draining.store(thread.phase() == ServingPhase::kDraining);
      if (asked == ServingPhase::kStopping) return;
    }
  }
};

// Letters that were put before Drain() are taken before the thread sees the phase; each phase is
// entered once, in order.
TEST(ServingThreadTest, TakesItsMailAndGoesThroughItsPhases) {
  Server server;
  server.Start("serving/7");
  for (int i = 0; i < 3; ++i) server.thread.Put(i);
  server.thread.Drain();
  server.thread.Drain();
  EXPECT_TRUE(Eventually([&] { return server.draining.load(); }));
  server.thread.Stop();
  EXPECT_EQ(server.taken, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(server.entered,
            (std::vector<ServingPhase>{ServingPhase::kDraining, ServingPhase::kStopping}));
  EXPECT_EQ(server.name, "serving/7");
}

// Whoever asks has an answer from a thread that goes round, and none from one that hangs.
TEST(ServingThreadTest, OneThatHangsHasNoPulse) {
  Server server;
  server.Start("serving");
  EXPECT_TRUE(server.thread.HasPulse()) << "nobody has asked";
  server.thread.AskPulse();
  EXPECT_TRUE(Eventually([&] { return server.thread.HasPulse(); }));
  server.hangs.store(true);
  server.thread.Wake();
  ASSERT_TRUE(Eventually([&] { return server.hanging.load(); }));
  server.thread.AskPulse();
  EXPECT_FALSE(server.thread.HasPulse());
  server.hangs.store(false);
  EXPECT_TRUE(Eventually([&] { return server.thread.HasPulse(); }));
  server.thread.Stop();
}

// What nobody takes is destroyed with Stop(), also where no thread was ever started; Drain() after
// it does not bring the thread's phase back.
TEST(ServingThreadTest, StopDestroysWhatIsLeft) {
  ServingThread<std::shared_ptr<int>> thread;
  const auto letter = std::make_shared<int>(1);
  thread.Put(letter);
  EXPECT_EQ(thread.queue_depth(), 1u);
  thread.Stop();
  EXPECT_EQ(letter.use_count(), 1);
  EXPECT_EQ(thread.queue_depth(), 0u);
  thread.Drain();
  EXPECT_EQ(thread.Beat(), ServingPhase::kStopping);
}

}  // namespace
}  // namespace objmapper::net
