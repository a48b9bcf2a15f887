// Waits between tries follow RETRY_AFTER, with jitter, and end at the limits.
#include "client/retry.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "protocol/objm/metadata.h"

namespace objmapper::client {
namespace {

absl::Status Unavailable(uint32_t retry_after_ms) {
  protocol::Metadata metadata;
  metadata.error = "busy";
  if (retry_after_ms != 0) metadata.retry_after_ms = retry_after_ms;
  return ServerError(protocol::Status::kUnavailable, "OP_COPY \"a\"", metadata);
}

// At least what the server asked for, at most half as much again, and not always the same.
TEST(BackoffTest, GoesByTheServersWordWithJitter) {
  std::set<int64_t> waits;
  for (int i = 0; i < 50; ++i) {
    Backoff backoff({.first_wait = absl::Milliseconds(1)});
    const auto wait = backoff.Next(Unavailable(100));
    ASSERT_TRUE(wait.has_value());
    EXPECT_GE(*wait, absl::Milliseconds(100));
    EXPECT_LE(*wait, absl::Milliseconds(150));
    waits.insert(absl::ToInt64Nanoseconds(*wait));
  }
  EXPECT_GT(waits.size(), 25u);
}

// Without such a word the spread doubles; no wait is longer than wait_max.
TEST(BackoffTest, DoublesUpToItsMost) {
  Backoff backoff({.attempts_max = 100,
                   .first_wait = absl::Milliseconds(10),
                   .wait_max = absl::Milliseconds(35),
                   .total_max = absl::Hours(1)});
  absl::Duration most = absl::Milliseconds(10);
  for (int i = 0; i < 60; ++i) {
    const auto wait = backoff.Next(Unavailable(0));
    ASSERT_TRUE(wait.has_value()) << i;
    EXPECT_LE(*wait, std::min(most, absl::Milliseconds(35)));
    most *= 2;
  }
}

TEST(BackoffTest, EndsWithItsAttemptsAndItsTime) {
  Backoff three({.attempts_max = 3});
  EXPECT_TRUE(three.Next(Unavailable(1)).has_value());
  EXPECT_TRUE(three.Next(Unavailable(1)).has_value());
  EXPECT_FALSE(three.Next(Unavailable(1)).has_value());
  Backoff hurried({.wait_max = absl::Hours(1), .total_max = absl::Seconds(1)});
  EXPECT_FALSE(hurried.Next(Unavailable(2000)).has_value());
}

// Only a server's UNAVAILABLE is asked again: what failed for good is not, nor a broken connection.
TEST(RetryTest, OnlyWhatTheServerPutsOff) {
  const absl::Status others[] = {absl::UnavailableError("local"),
                                 ConnectionError(absl::UnavailableError("gone")),
                                 ServerError(protocol::Status::kNotFound, "OP_COPY \"a\"", {})};
  for (const absl::Status& status : others) {
    int calls = 0;
    const absl::Status result = Retry(RetryPolicy(), [&] {
      ++calls;
      return status;
    });
    EXPECT_EQ(calls, 1) << status;
    EXPECT_EQ(result, status);
  }
}

TEST(RetryTest, UntilItSucceeds) {
  int calls = 0;
  const absl::StatusOr<std::string> result =
      Retry(RetryPolicy(), [&]() -> absl::StatusOr<std::string> {
        if (++calls < 3) return Unavailable(1);
        return std::string("bytes");
      });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(*result, "bytes");
  EXPECT_EQ(calls, 3);
}

}  // namespace
}  // namespace objmapper::client
