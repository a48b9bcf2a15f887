// A burst at once, then one request per interval; the stated wait is exact.
#include "session/rate_limit.h"

#include <gtest/gtest.h>

namespace objmapper::session {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// A burst at once, then one for each interval; the wait that it tells is exact.
TEST(RateLimitTest, BurstThenRate) {
  const RateLimit limit = RateLimit::Of(/*per_second=*/10, /*burst=*/3);
  int64_t bucket = 0, now = 5 * kSecond;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.Take(now, &bucket), 0) << i;
  const int64_t wait = limit.Take(now, &bucket);
  EXPECT_EQ(wait, kSecond / 10);
  EXPECT_GT(limit.Take(now + wait - 1, &bucket), 0);
  EXPECT_EQ(limit.Take(now + wait, &bucket), 0);
  EXPECT_GT(limit.Take(now + wait, &bucket), 0);
}

// What was refused costs no token, however often it is asked.
TEST(RateLimitTest, RefusalsCostNothing) {
  const RateLimit limit = RateLimit::Of(1, 1);
  int64_t bucket = 0;
  ASSERT_EQ(limit.Take(kSecond, &bucket), 0);
  for (int i = 0; i < 1000; ++i) EXPECT_GT(limit.Take(kSecond + i, &bucket), 0);
  EXPECT_EQ(limit.Take(2 * kSecond, &bucket), 0);
}

// In the long run no more than the rate passes, whatever the pattern.
TEST(RateLimitTest, TheLongRun) {
  const RateLimit limit = RateLimit::Of(1000, 50);
  int64_t bucket = 0;
  int passed = 0;
  for (int64_t now = kSecond; now < 3 * kSecond; now += 137'731)
    passed += limit.Take(now, &bucket) == 0 ? 1 : 0;
  EXPECT_LE(passed, 2050);
  EXPECT_GE(passed, 1990);
  // A pause fills the bucket, and no further.
  int64_t now = 100 * kSecond;
  int burst = 0;
  while (limit.Take(now, &bucket) == 0) ++burst;
  EXPECT_EQ(burst, 50);
}

TEST(RateLimitTest, NoLimit) { EXPECT_EQ(RateLimit::Of(0, 1).interval_ns, 0); }

}  // namespace
}  // namespace objmapper::session
