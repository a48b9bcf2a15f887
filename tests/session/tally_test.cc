// Counts of threads that have ended stay in the sums.
#include "session/tally.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace objmapper::session {
namespace {

using protocol::Mode;
using protocol::Status;

const TallySnapshot::PerWay& Of(const TallySnapshot& all, Way way) {
  return all.ways[static_cast<size_t>(way)];
}

TEST(TallyTest, CountsByModeAndStatus) {
  TallyBoard board;
  TallyLease tally(&board, "fdpass");
  tally->Answered({Mode::kFdPass, Status::kOk, 1000, 5}, 3000, protocol::Dialect::kV2);
  tally->Answered({Mode::kFdPass, Status::kNotFound, 1000, 0}, 2000, protocol::Dialect::kV2);
  tally->Answered({Mode::kCopy, Status::kOk, 1000, 7}, 2000, protocol::Dialect::kHttp);
  tally->Answered({Mode::kStat, Status::kOk, 1000, 0}, 2000, protocol::Dialect::kV2);
  tally->Answered({static_cast<Mode>('?'), Status::kInvalidMode, 1000, 0}, 2000,
                  protocol::Dialect::kV2);
  tally->Answered({Mode::kPut, Status::kOk, 1000, 11}, 2000, protocol::Dialect::kV2);
  tally->Answered({Mode::kPutFd, Status::kConflict, 1000, 0}, 2000, protocol::Dialect::kV2);
  const TallySnapshot all = board.Read();
  EXPECT_EQ(all.by_dialect[static_cast<size_t>(protocol::Dialect::kV2)], 6u);
  EXPECT_EQ(all.by_dialect[static_cast<size_t>(protocol::Dialect::kHttp)], 1u);
  EXPECT_EQ(Of(all, Way::kPut).requests(), 2u);
  EXPECT_EQ(Of(all, Way::kPut).errors(), 1u);
  EXPECT_EQ(Of(all, Way::kPut).bytes, 11u);
  EXPECT_EQ(Of(all, Way::kFdPass).requests(), 2u);
  EXPECT_EQ(Of(all, Way::kFdPass).errors(), 1u);
  EXPECT_EQ(Of(all, Way::kFdPass).by_status[static_cast<size_t>(Status::kNotFound)], 1u);
  EXPECT_EQ(Of(all, Way::kFdPass).bytes, 5u);
  EXPECT_EQ(Of(all, Way::kFdPass).service.sum_ns(), 3000u);
  EXPECT_EQ(Of(all, Way::kCopy).bytes, 7u);
  EXPECT_EQ(Of(all, Way::kSplice).requests(), 0u);
  EXPECT_EQ(Of(all, Way::kOther).requests(), 2u);
  EXPECT_EQ(Of(all, Way::kOther).errors(), 1u);
}

// Threads that have ended are counted no more, but what they counted is; those that come later go
// on with their tallies, so that a server of short-lived threads does not grow.
TEST(TallyTest, WhatAThreadCountedStays) {
  TallyBoard board;
  for (int i = 0; i < 100; ++i) {
    std::thread([&board] {
      TallyLease tally(&board, "model");
      tally->Answered({Mode::kCopy, Status::kOk, 0, 1}, 10, protocol::Dialect::kV2);
      tally->Worked(5);
      tally->TookUp(3);
    }).join();
  }
  const TallySnapshot all = board.Read();
  ASSERT_EQ(all.lanes.size(), 1u);
  EXPECT_EQ(all.lanes[0].name, "model");
  EXPECT_EQ(all.lanes[0].threads, 0u);
  EXPECT_EQ(all.lanes[0].busy_ns, 500u);
  EXPECT_EQ(all.lanes[0].taken_up, 100u);
  EXPECT_EQ(Of(all, Way::kCopy).requests(), 100u);
}

TEST(TallyTest, LanesAreApart) {
  TallyBoard board;
  const TallyLease one(&board, "fdpass"), two(&board, "copypath"), three(&board, "fdpass");
  one->Worked(1);
  two->Worked(10);
  three->Worked(100);
  const TallySnapshot all = board.Read();
  ASSERT_EQ(all.lanes.size(), 2u);
  EXPECT_EQ(all.lanes[0].name, "copypath");
  EXPECT_EQ(all.lanes[0].busy_ns, 10u);
  EXPECT_EQ(all.lanes[1].busy_ns, 101u);
  EXPECT_EQ(all.lanes[1].threads, 2u);
}

// Nothing is lost when many write and one reads meanwhile, and no reading is smaller than one
// before.
TEST(TallyTest, ReadWhileWritten) {
  TallyBoard board;
  constexpr int kThreads = 4, kEach = 20000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&board] {
      TallyLease tally(&board, "fdpass");
      for (int i = 0; i < kEach; ++i)
        tally->Answered({Mode::kFdPass, Status::kOk, 0, 1}, i, protocol::Dialect::kV2);
    });
  }
  uint64_t last = 0;
  for (int i = 0; i < 200; ++i) {
    const uint64_t now = Of(board.Read(), Way::kFdPass).requests();
    EXPECT_GE(now, last);
    last = now;
  }
  for (std::thread& thread : threads) thread.join();
  const TallySnapshot all = board.Read();
  EXPECT_EQ(Of(all, Way::kFdPass).requests(), uint64_t{kThreads} * kEach);
  EXPECT_EQ(Of(all, Way::kFdPass).service.count(), uint64_t{kThreads} * kEach);
}

TEST(TallyTest, WithoutABoardItCountsForNobody) {
  TallyLease tally(nullptr, "fdpass");
  tally->Answered({Mode::kFdPass, Status::kOk, 0, 1}, 1, protocol::Dialect::kV2);
}

}  // namespace
}  // namespace objmapper::session
