// Names that are left alone for a moment.
#include "origin/flight/backoff.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "net/retry_after.h"

namespace objmapper::origin {
namespace {

const absl::Status kWhy = absl::ResourceExhaustedError("no answer");

class BackoffTest : public testing::Test {
 protected:
  // Fails now; for how long it is left alone.
  absl::Duration Fail(const std::string& name = "a", const absl::Status& why = kWhy) {
    return backoff_.Failed(name, why, now_) - now_;
  }
  bool IsLeftAlone(absl::string_view name = "a") const {
    return !backoff_.Refusal(name, now_).ok();
  }

  double random_ = 0.999;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  Backoff backoff_{{.first = absl::Seconds(1), .most = absl::Seconds(30), .names_max = 100},
                   [this] { return random_; }};
};

// For twice as long each time, up to a limit; half of it is left to chance.
TEST_F(BackoffTest, Grows) {
  double expected = 1;
  for (int i = 0; i < 8; ++i) {
    random_ = 0;
    if (i % 2 == 1) random_ = 0.999;
    const double got = absl::ToDoubleSeconds(Fail());
    EXPECT_NEAR(got, expected * (i % 2 == 1 ? 1 : 0.5), expected / 1000) << i;
    now_ += absl::Seconds(got);
    expected = std::min(2 * expected, 30.0);
  }
}

// The reason is remembered, with how long that is so; others are not touched.
TEST_F(BackoffTest, SaysWhyAndHowLong) {
  EXPECT_TRUE(backoff_.Refusal("a", now_).ok());
  const absl::Duration delay = Fail();
  EXPECT_FALSE(IsLeftAlone("b"));
  now_ += delay / 2;
  const absl::Status refusal = backoff_.Refusal("a", now_);
  EXPECT_EQ(refusal.code(), kWhy.code());
  EXPECT_TRUE(absl::StrContains(refusal.message(), "no answer")) << refusal;
  EXPECT_NEAR(net::RetryAfterMs(refusal), absl::ToDoubleMilliseconds(delay / 2), 1);
  now_ += delay / 2;
  EXPECT_FALSE(IsLeftAlone());
}

// A success ends it, and a long time without a failure.
TEST_F(BackoffTest, BeginsAnew) {
  Fail();
  now_ += absl::Seconds(2);
  EXPECT_GT(Fail(), absl::Seconds(1));
  backoff_.Clear("a");
  EXPECT_FALSE(IsLeftAlone());
  EXPECT_LE(Fail(), absl::Seconds(1));
  now_ += absl::Seconds(32);
  EXPECT_LE(Fail(), absl::Seconds(1));
}

// An origin that wants more patience gets it, within bounds.
TEST_F(BackoffTest, DoesAsItIsAsked) {
  EXPECT_EQ(Fail("a", net::WithRetryAfter(kWhy, absl::Seconds(7))), absl::Seconds(7));
  EXPECT_EQ(Fail("b", net::WithRetryAfter(kWhy, absl::Hours(1))), absl::Seconds(30));
  EXPECT_GT(Fail("c", net::WithRetryAfter(kWhy, absl::Milliseconds(1))), absl::Milliseconds(900));
}

// A clock that is put back leaves nobody alone for longer than is allowed.
TEST_F(BackoffTest, AClockThatIsPutBack) {
  Fail();
  now_ -= absl::Hours(1);
  EXPECT_FALSE(IsLeftAlone());
}

TEST_F(BackoffTest, IsBounded) {
  for (int i = 0; i < 1000; ++i) Fail(absl::StrCat(i));
  EXPECT_LE(backoff_.size(), 100u);
  EXPECT_TRUE(IsLeftAlone("999"));
}

}  // namespace
}  // namespace objmapper::origin
