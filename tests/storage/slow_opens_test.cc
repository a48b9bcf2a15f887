// A slow open marks its file system and no other, until opens are quick again.
#include "storage/tree/slow_opens.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace objmapper::storage {
namespace {

constexpr int64_t kSlow = SlowOpens::kSlowNs;

bool Becomes(const SlowOpens& slow, bool any) {
  for (const absl::Time until = absl::Now() + absl::Seconds(30); absl::Now() < until;) {
    if (slow.any() == any) return true;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return false;
}

// One slow open marks its file system, and no other. What a disk may be the reason of marks none.
TEST(SlowOpensTest, OneFileSystem) {
  SlowOpens slow;
  EXPECT_FALSE(slow.any());
  slow.Note(7, kSlow - 1, /*sure=*/true);
  slow.Note(7, 100 * kSlow, /*sure=*/false);
  EXPECT_FALSE(slow.any());
  EXPECT_FALSE(slow.IsSlow(7));
  slow.Note(7, kSlow, /*sure=*/true);
  EXPECT_TRUE(slow.any());
  EXPECT_TRUE(slow.IsSlow(7));
  EXPECT_FALSE(slow.IsSlow(8));
  slow.Note(7, 100 * kSlow, /*sure=*/false);
  EXPECT_EQ(slow.slow_opens(), 2u);
  EXPECT_EQ(slow.file_systems(), 1u);
}

// It is quick again when it has been so for a while, and for some opens: not when nobody has
// looked.
TEST(SlowOpensTest, QuickAgain) {
  SlowOpens slow;
  slow.Start();
  slow.Note(7, kSlow, /*sure=*/true);
  absl::SleepFor(absl::Milliseconds(2500));
  EXPECT_TRUE(slow.IsSlow(7)) << "nobody knows";
  for (int i = 0; i < 3; ++i) slow.Note(7, 1000, /*sure=*/false);
  EXPECT_TRUE(Becomes(slow, false));
  EXPECT_FALSE(slow.IsSlow(7));
  EXPECT_EQ(slow.file_systems(), 0u);
}

// An open that hangs is noticed while it does, before anybody knows where: no thread that must not
// wait opens anything then.
TEST(SlowOpensTest, AnOpenThatHangs) {
  SlowOpens slow;
  slow.Start();
  std::atomic<int> told{0};
  std::atomic<bool> over{false};
  std::thread worker([&] {
    const SlowOpens::Watched watched(&slow, [&] { ++told; });
    {
      const SlowOpens::Timer timer(&slow);
      while (!over) absl::SleepFor(absl::Milliseconds(1));
      timer.Took(7, /*cached=*/false);
    }
  });
  EXPECT_TRUE(Becomes(slow, true));
  EXPECT_TRUE(slow.IsSlow(8));
  EXPECT_GT(told, 0);
  // longer than this process may have been kept from running
  absl::SleepFor(absl::Milliseconds(500));
  over = true;
  worker.join();
  for (const absl::Time until = absl::Now() + absl::Seconds(30);
       slow.IsSlow(8) && absl::Now() < until;) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_FALSE(slow.IsSlow(8));
  EXPECT_TRUE(slow.IsSlow(7));
}

// What is opened elsewhere may hang: that is no hanging worker, but nothing is quick again as long
// as it does.
TEST(SlowOpensTest, Elsewhere) {
  SlowOpens slow;
  slow.Start();
  slow.Note(7, kSlow, /*sure=*/true);
  const SlowOpens::Watched watched(&slow);
  {
    const SlowOpens::Elsewhere elsewhere(&slow);
    const SlowOpens::Timer timer(&slow);
    for (int i = 0; i < 3; ++i) slow.Note(7, 1000, /*sure=*/false);
    absl::SleepFor(absl::Milliseconds(2500));
    EXPECT_TRUE(slow.waits_elsewhere());
    EXPECT_TRUE(slow.IsSlow(7));
    EXPECT_FALSE(slow.IsSlow(8));
  }
  EXPECT_TRUE(Becomes(slow, false));
}

}  // namespace
}  // namespace objmapper::storage
