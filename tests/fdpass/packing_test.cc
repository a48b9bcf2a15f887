// When one worker more is taken into use, and when one fewer, on machines that are made up.
#include "fdpass/packing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace objmapper::fdpass {
namespace {

// A machine on which `rate(n)` requests a second are answered by n workers, and takes `busy(n)`
// workers' time.
class Machine {
 public:
  std::function<double(int)> rate = [](int) { return 0.0; };
  std::function<double(int)> busy = [](int) { return 0.0; };
  size_t connections = 100;

  // Lets it run; returns the share of the time in which `n` were in use.
  double Run(Packing* packing, double seconds, int n) {
    int windows = 0, with_n = 0;
    for (const int64_t until_ns = now_ns_ + static_cast<int64_t>(seconds * 1e9); now_ns_ < until_ns;
         ++windows) {
      const int in_use = packing->in_use();
      if (in_use == n) ++with_n;
      now_ns_ += Packing::kWindowNs;
      requests_ += rate(in_use) * Packing::kWindowNs / 1e9;
      busy_ns_ += busy(in_use) * Packing::kWindowNs;
      EXPECT_TRUE(packing->Due(now_ns_));
      EXPECT_FALSE(packing->Due(now_ns_)) << "two would take the same sample";
      packing->Note({now_ns_, static_cast<uint64_t>(requests_), static_cast<uint64_t>(busy_ns_),
                     connections});
    }
    return static_cast<double>(with_n) / windows;
  }

  // Nothing happens; the next window begins before it.
  void Pause(double seconds) { now_ns_ += static_cast<int64_t>(seconds * 1e9); }

 private:
  int64_t now_ns_ = 1'000'000'000;
  double requests_ = 0;
  double busy_ns_ = 0;
};

// Where one keeps up, one it is; and where it hardly wakes, nothing else is tried.
TEST(PackingTest, OneKeepsUp) {
  for (const double busy : {0.08, 0.5}) {
    Packing packing(4);
    Machine machine;
    machine.rate = [](int) { return 10'000.0; };
    machine.busy = [busy](int) { return busy; };
    EXPECT_GE(machine.Run(&packing, 60, 1), busy < 0.1 ? 1.0 : 0.98);
  }
}

// Where each one more answers more, all are taken into use soon, and stay.
TEST(PackingTest, SpreadsWhereItPays) {
  Packing packing(4);
  Machine machine;
  machine.rate = [](int n) { return 50'000.0 * n; };
  machine.busy = [](int n) { return 1.0 * n; };
  machine.Run(&packing, 2, 4);
  EXPECT_GE(machine.Run(&packing, 120, 4), 0.95);
}

// Where the clients need the processors themselves, one more is tried less and less often.
TEST(PackingTest, DoesNotInsist) {
  Packing packing(2);
  Machine machine;
  machine.rate = [](int n) { return n == 1 ? 60'000.0 : 40'000.0; };
  machine.busy = [](int n) { return n == 1 ? 0.95 : 1.4; };
  EXPECT_GE(machine.Run(&packing, 2, 1), 0.85);
  EXPECT_GE(machine.Run(&packing, 60, 1), 0.98);
}

// What was spread for a crowd is brought together when the crowd has gone, at once where little is
// left, and by trial where one would do as well.
TEST(PackingTest, BringsThemTogetherAgain) {
  Packing packing(4);
  Machine machine;
  machine.rate = [](int n) { return 50'000.0 * n; };
  machine.busy = [](int n) { return 1.0 * n; };
  machine.Run(&packing, 3, 4);
  machine.rate = [](int) { return 1'000.0; };
  machine.busy = [](int) { return 0.04; };
  machine.Run(&packing, 0.1, 1);
  EXPECT_EQ(machine.Run(&packing, 10, 1), 1.0);

  machine.rate = [](int n) { return 50'000.0 * n; };
  machine.busy = [](int n) { return 1.0 * n; };
  machine.Run(&packing, 3, 4);
  machine.rate = [](int) { return 60'000.0; };
  machine.busy = [](int n) { return n == 1 ? 0.8 : 1.2; };
  machine.Run(&packing, 5, 1);
  EXPECT_GE(machine.Run(&packing, 10, 1), 0.95);
}

// Other connections are another matter: what was found before does not keep them from being spread.
TEST(PackingTest, OthersAreTriedAnew) {
  Packing packing(2);
  Machine machine;
  machine.rate = [](int) { return 60'000.0; };
  machine.busy = [](int) { return 0.95; };
  machine.Run(&packing, 30, 1);
  machine.connections = 10;
  machine.rate = [](int n) { return 60'000.0 * n; };
  machine.Run(&packing, 0.5, 2);
  EXPECT_EQ(packing.in_use(), 2);
}

// One connection is nowhere better off than on one worker.
TEST(PackingTest, OneConnectionIsNotSpread) {
  Packing packing(4);
  Machine machine;
  machine.connections = 1;
  machine.rate = [](int n) { return 50'000.0 * n; };
  machine.busy = [](int) { return 1.0; };
  EXPECT_EQ(machine.Run(&packing, 20, 1), 1.0);
}

// A fixed number stays.
TEST(PackingTest, FixedIsFixed) {
  Packing packing(4);
  packing.Fix(3);
  EXPECT_FALSE(packing.Due(INT64_MAX - 1));
  EXPECT_EQ(packing.in_use(), 3);
}

// A pause, however long, takes nothing back that was found before it: clients that come and go with
// their bursts find as many at work as were before. Where little goes on all the time, one is
// enough.
TEST(PackingTest, APauseIsNotTheEnd) {
  Packing packing(4);
  Machine machine;
  machine.rate = [](int n) { return 50'000.0 * n; };
  machine.busy = [](int n) { return 1.0 * n; };
  machine.Run(&packing, 2, 4);
  for (int burst = 0; burst < 10; ++burst) {
    machine.Pause(5.0 * (burst + 1));
    EXPECT_GE(machine.Run(&packing, 0.5, 4), 0.9) << burst;  // but for one trial
  }
  machine.busy = [](int) { return 0.01; };
  machine.Run(&packing, 0.1, 1);
  EXPECT_EQ(machine.Run(&packing, 1, 1), 1.0);
}

}  // namespace
}  // namespace objmapper::fdpass
