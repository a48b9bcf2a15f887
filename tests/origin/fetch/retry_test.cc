// Delays and tokens, with a random source and a clock of the test's.
#include "origin/fetch/retry.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "absl/time/time.h"

namespace objmapper::origin::fetch {
namespace {

constexpr char kHost[] = "http://host:80";

class RetryTest : public ::testing::Test {
 protected:
  std::optional<absl::Duration> Next(RetryState* state,
                                     std::optional<absl::Duration> retry_after = std::nullopt) {
    return policy_.NextDelay(kHost, state, retry_after, &why_);
  }

  RetryOptions options_;
  double random_ = 1.0;
  RetryPolicy policy_{options_, [this] { return random_; }};
  std::string why_;
};

TEST_F(RetryTest, ThreeAttempts) {
  RetryState state;
  EXPECT_EQ(Next(&state), absl::Seconds(1));
  EXPECT_EQ(Next(&state), absl::Seconds(2));
  EXPECT_EQ(Next(&state), std::nullopt);
  EXPECT_EQ(why_, "3 attempts");
  EXPECT_EQ(state.retries, 2);
}

// random(0, 1) * min(2^i, 20 s)
TEST_F(RetryTest, DelaysDoubleUpToABound) {
  RetryState state;
  state.attempts_max = 50;
  for (const int seconds : {1, 2, 4, 8, 16, 20, 20}) {
    EXPECT_EQ(Next(&state), absl::Seconds(seconds));
  }
  for (int i = state.retries; i < 48; ++i) EXPECT_EQ(Next(&state), absl::Seconds(20));
  random_ = 0.25;
  EXPECT_EQ(Next(&state), absl::Seconds(5));
  EXPECT_EQ(Next(&state), std::nullopt);
  EXPECT_EQ(why_, "50 attempts");
}

TEST_F(RetryTest, OneAttemptIsNoRetry) {
  RetryState state;
  state.attempts_max = 1;
  EXPECT_EQ(Next(&state), std::nullopt);
  EXPECT_EQ(why_, "1 attempt");
}

// The origin's wish is a lower bound, up to what is waited at all.
TEST_F(RetryTest, RetryAfter) {
  random_ = 0.5;
  RetryState state;
  EXPECT_EQ(Next(&state, absl::Seconds(7)), absl::Seconds(7));
  EXPECT_EQ(Next(&state, absl::ZeroDuration()), absl::Seconds(1));
  RetryState other;
  EXPECT_EQ(Next(&other, absl::Seconds(20)), absl::Seconds(20));
  EXPECT_EQ(Next(&other, absl::Seconds(21)), std::nullopt);
  EXPECT_EQ(why_, "asks to be left alone for 21s");
  EXPECT_EQ(policy_.tokens(kHost), 500 - 3 * 5);  // what is not tried again takes none
}

// 500 tokens are 100 retries; then an outage gets one attempt for each request, and no more.
TEST_F(RetryTest, AnOutageEmptiesTheBucket) {
  int retries = 0;
  for (int request = 0; request < 1000; ++request) {
    RetryState state;
    while (Next(&state).has_value()) ++retries;
  }
  EXPECT_EQ(retries, 100);
  EXPECT_EQ(policy_.tokens(kHost), 0);
  EXPECT_EQ(why_, "not tried again: too much fails there");

  // Other origins have buckets of their own.
  RetryState state;
  EXPECT_TRUE(policy_.NextDelay("http://other:80", &state, std::nullopt, &why_).has_value());
  EXPECT_EQ(policy_.tokens("http://other:80"), 495);
}

// A success gives back what its last retry took, or a token; never more than the bucket holds.
TEST_F(RetryTest, SuccessFillsTheBucket) {
  RetryState retried;
  Next(&retried);
  Next(&retried);
  EXPECT_EQ(policy_.tokens(kHost), 490);
  policy_.Succeeded(kHost, retried);
  EXPECT_EQ(policy_.tokens(kHost), 495);
  for (int i = 1; i <= 5; ++i) {
    policy_.Succeeded(kHost, RetryState());
    EXPECT_EQ(policy_.tokens(kHost), 495 + i);
  }
  policy_.Succeeded(kHost, retried);
  policy_.Succeeded(kHost, RetryState());
  EXPECT_EQ(policy_.tokens(kHost), 500);
}

TEST(RetryAfterTest, SecondsOrADate) {
  const absl::Time now = absl::FromUnixSeconds(1'000'000'000);  // Sun, 09 Sep 2001 01:46:40 GMT
  EXPECT_EQ(ParseRetryAfter("0", now), absl::ZeroDuration());
  EXPECT_EQ(ParseRetryAfter(" 120 ", now), absl::Minutes(2));
  EXPECT_EQ(ParseRetryAfter("Sun, 09 Sep 2001 01:46:50 GMT", now), absl::Seconds(10));
  EXPECT_EQ(ParseRetryAfter("Sun, 09 Sep 2001 01:46:30 GMT", now), absl::ZeroDuration());
  EXPECT_EQ(ParseRetryAfter("99999999999999999999999", now), absl::InfiniteDuration());
  for (const char* none : {"", "soon", "-5", "1.5"}) {
    EXPECT_EQ(ParseRetryAfter(none, now), std::nullopt) << none;
  }
}

}  // namespace
}  // namespace objmapper::origin::fetch
