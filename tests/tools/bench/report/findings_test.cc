#include "tools/bench/report/findings.h"

#include <gtest/gtest.h>

#include "tests/tools/bench/report/fake_report.h"

namespace objmapper::bench {
namespace {

// A difference counts when the median and both quartiles agree on it.
TEST(JudgeTest, CallsWhatIsWithinTheSpreadATie) {
  EXPECT_EQ(Judge({.median = 1.1, .low = 1.05, .high = 1.2}, false), Verdict::kBetter);
  EXPECT_EQ(Judge({.median = 1.1, .low = 1.05, .high = 1.2}, true), Verdict::kWorse);
  EXPECT_EQ(Judge({.median = 1.1, .low = 0.99, .high = 1.2}, false), Verdict::kTie);
  EXPECT_EQ(Judge({.median = 1.02, .low = 1.01, .high = 1.03}, false), Verdict::kTie);
  EXPECT_EQ(Judge({.median = 0.9, .low = 0.8, .high = 0.95}, false), Verdict::kWorse);
}

TEST(MachineTextTest, TellsOfUnequalCores) {
  Machine machine;
  machine.cpu = "a CPU";
  machine.cores = 2;
  machine.memory_bytes = uint64_t{3} << 30;
  EXPECT_EQ(MachineText(machine), "a CPU, 2 cores, 3.0 GiB");
  machine.slowest_core = 0.95;
  EXPECT_EQ(MachineText(machine), "a CPU, 2 cores, 3.0 GiB");
  machine.slowest_core = 0.58;
  EXPECT_EQ(MachineText(machine), "a CPU, 2 cores (the slowest at 0.58 of the fastest), 3.0 GiB");
}

// As many as were measured, whatever was asked for.
TEST(RoundsTextTest, TellsOfMoreRounds) {
  Report report;
  report.rounds = 4;
  report.seconds_per_round = 0.2;
  report.cells = {FakeCell()};
  for (Series& series : report.cells[0].series) {
    if (!series.samples.empty()) series.samples.resize(4, series.samples[0]);
  }
  EXPECT_EQ(RoundsText(report), "4 of 0.2 s");
  report.cells[0].series[0].samples.resize(12);
  EXPECT_EQ(RoundsText(report),
            "4 of 0.2 s, 12 where figures jump (below saturation, from the disk)");
}

// bbr holds up those who do not choose.
TEST(NotTheSameTest, TellsOfPacing) {
  Report report = FakeReport();
  report.machine.kernel = "Linux 6.1, TCP with cubic";
  EXPECT_EQ(NotTheSame(report).find("--tcp_local_congestion"), std::string::npos);
  EXPECT_NE(NotTheSame(report).find("--unix_send_buffer_bytes"), std::string::npos);
  report.machine.kernel = "Linux 6.1, TCP with bbr";
  EXPECT_NE(NotTheSame(report).find("--tcp_local_congestion"), std::string::npos);
}

// A peer that is clearly faster is a loss; a floor that is, is told apart.
TEST(LossesOfTest, FindsWhereAnotherIsBetter) {
  const Report report = FakeReport();
  const std::vector<Loss> losses = LossesOf(report, "mode_routing");
  ASSERT_EQ(losses.size(), 1u);
  EXPECT_EQ(losses[0].winner->contender, "redis");
  EXPECT_EQ(losses[0].measure, Measure::kRequestsPerSecond);
  EXPECT_DOUBLE_EQ(losses[0].ratio.median, 0.75);
  const std::vector<Loss> floors = LossesToFloors(report, "mode_routing");
  ASSERT_EQ(floors.size(), 2u);  // half the CPU is the worse of the two
  EXPECT_EQ(floors[0].measure, Measure::kServerCpuUs);
  EXPECT_DOUBLE_EQ(floors[0].ratio.median, 2);
}

// A short latency is no win for who leaves connections without any answer.
TEST(LossesOfTest, LatencyCountsForThoseWhoAnswerAll) {
  Report report = FakeReport();
  Cell& cell = report.cells[0];
  Series& own = cell.series[1];
  Series& redis = cell.series[2];
  const auto p99_is_lost = [&] {
    for (const Loss& loss : LossesOf(report, "mode_routing")) {
      if (loss.cell == &cell && loss.measure == Measure::kP99Us) return true;
    }
    return false;
  };
  ASSERT_EQ(own.contender, "mode_routing");
  ASSERT_EQ(redis.contender, "redis");
  for (size_t i = 0; i < own.samples.size(); ++i) {
    own.samples[i].p99_us = 100;
    redis.samples[i].p99_us = 10;
    redis.samples[i].requests = own.samples[i].requests;
  }
  EXPECT_TRUE(p99_is_lost());
  for (Sample& sample : redis.samples) sample.starved = 12;
  EXPECT_FALSE(p99_is_lost());
}

// The best of a cell is no floor, and need not be the one that is left out.
TEST(BestOfTest, LeavesFloorsOut) {
  Cell cell = FakeCell();
  cell.series[0].samples[0].requests = 1000000;
  EXPECT_EQ(BestOf(cell, Measure::kRequestsPerSecond)->contender, "redis");
  EXPECT_EQ(BestOf(cell, Measure::kRequestsPerSecond, &cell.series[2])->contender, "mode_routing");
}

}  // namespace
}  // namespace objmapper::bench
