// A status that says when to come again.
#include "net/retry_after.h"

#include <gtest/gtest.h>

namespace objmapper::net {
namespace {

const absl::Status kBusy = absl::ResourceExhaustedError("busy");

// In whole milliseconds, and never sooner than was said.
TEST(RetryAfterTest, SaysIt) {
  EXPECT_EQ(RetryAfterMs(kBusy), 0u);
  const struct {
    absl::Duration after;
    uint32_t ms;
  } kCases[] = {
      {absl::Seconds(2), 2000},
      {absl::Microseconds(1), 1},
      {absl::Microseconds(1001), 2},
      {absl::ZeroDuration(), 0},
      {-absl::Seconds(1), 0},
      {absl::InfiniteDuration(), UINT32_MAX},
      {absl::Hours(24 * 365), UINT32_MAX},
  };
  for (const auto& test : kCases) {
    const absl::Status status = WithRetryAfter(kBusy, test.after);
    EXPECT_EQ(RetryAfterMs(status), test.ms) << test.after;
    EXPECT_EQ(status.code(), kBusy.code());
    EXPECT_EQ(status.message(), kBusy.message());
  }
}

TEST(RetryAfterTest, TheLastWordCounts) {
  EXPECT_EQ(RetryAfterMs(WithRetryAfter(WithRetryAfter(kBusy, absl::Seconds(9)), absl::Seconds(1))),
            1000u);
  EXPECT_EQ(RetryAfterMs(WithRetryAfter(absl::OkStatus(), absl::Seconds(1))), 0u);
}

}  // namespace
}  // namespace objmapper::net
