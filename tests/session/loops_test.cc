// What lanes of event loops do alike, on loops that are numbers.
#include "session/loops.h"

#include <gtest/gtest.h>

namespace objmapper::session {
namespace {

struct FakeLoop {
  explicit FakeLoop(size_t load_in, bool pulse_in = true) : connections(load_in), pulse(pulse_in) {}
  size_t load() const { return connections; }
  size_t queue_depth() const { return connections; }
  void AskPulse() { ++asked; }
  bool HasPulse() const { return pulse; }
  void Drain() { draining = true; }
  void Stop() { stopped = true; }
  void Adopt(std::unique_ptr<Session>) { ++connections; }

  size_t connections;
  bool pulse;
  bool draining = false;
  bool stopped = false;
  int asked = 0;
};

class FakeLane : public LoopLane<FakeLoop> {
 public:
  explicit FakeLane(const std::vector<size_t>& loads) : LoopLane("lane") {
    for (const size_t load : loads) loops_.push_back(std::make_unique<FakeLoop>(load));
  }
  // To all but the first.
  void Adopt(std::unique_ptr<Session> session) override {
    AdoptAmong(1, loops_.size() - 1, std::move(session));
  }
};

std::vector<std::unique_ptr<FakeLoop>> LoopsOf(const std::vector<size_t>& loads) {
  std::vector<std::unique_ptr<FakeLoop>> loops;
  for (const size_t load : loads) loops.push_back(std::make_unique<FakeLoop>(load));
  return loops;
}

TEST(LeastLoadedTest, TheOneThatHasTheFewest) {
  const auto loops = LoopsOf({3, 1, 2});
  LeastLoaded least_loaded;
  // Wherever it begins to look.
  for (int i = 0; i < 6; ++i) EXPECT_EQ(least_loaded.Of<FakeLoop>(loops), loops[1].get());
}

TEST(LeastLoadedTest, EquallyLoadedLoopsTakeTurns) {
  const auto loops = LoopsOf({5, 2, 2, 2});
  LeastLoaded least_loaded;
  std::vector<int> chosen(loops.size());
  for (int i = 0; i < 40; ++i) {
    FakeLoop* const loop = least_loaded.Of<FakeLoop>(loops);
    for (size_t k = 0; k < loops.size(); ++k) chosen[k] += loop == loops[k].get();
  }
  EXPECT_EQ(chosen[0], 0);
  for (size_t k = 1; k < loops.size(); ++k) EXPECT_GE(chosen[k], 10) << "loop " << k;
}

TEST(LeastLoadedTest, ConnectionsSpreadEvenly) {
  const auto loops = LoopsOf({0, 0, 0});
  LeastLoaded least_loaded;
  for (int i = 0; i < 30; ++i) ++least_loaded.Of<FakeLoop>(loops)->connections;
  for (const auto& loop : loops) EXPECT_EQ(loop->connections, 10u);
}

TEST(LoopLaneTest, ChoosesAmongSome) {
  FakeLane lane({0, 5, 4});
  for (int i = 0; i < 5; ++i) lane.Adopt(nullptr);
  EXPECT_EQ(lane.loops()[0]->connections, 0u);
  EXPECT_EQ(lane.loops()[1]->connections, 7u);
  EXPECT_EQ(lane.loops()[2]->connections, 7u);
}

TEST(LoopLaneTest, NamesTheFirstThatHasNotAnswered) {
  FakeLane lane({0, 0, 0});
  lane.AskPulse();
  for (const auto& loop : lane.loops()) EXPECT_EQ(loop->asked, 1);
  EXPECT_EQ(lane.WithoutPulse(), "");
  lane.loops()[1]->pulse = lane.loops()[2]->pulse = false;
  EXPECT_EQ(lane.WithoutPulse(), "lane/1");
}

TEST(LoopLaneTest, ReachesAll) {
  FakeLane lane({4, 0, 3});
  EXPECT_EQ(lane.QueueDepth(), 7u);
  lane.Drain();
  for (const auto& loop : lane.loops()) EXPECT_TRUE(loop->draining && !loop->stopped);
  lane.Stop();
  for (const auto& loop : lane.loops()) EXPECT_TRUE(loop->stopped);
}

}  // namespace
}  // namespace objmapper::session
