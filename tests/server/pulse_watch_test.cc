// Loops that answer, and loops that do not, at times of the test's own.
#include "server/pulse_watch.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace objmapper::server {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr absl::Duration kPatience = absl::Seconds(3);

class PulseWatchTest : public testing::Test {
 protected:
  std::string silent_;
  std::string busy_;
  int asked_ = 0;
  int looked_ = 0;
  PulseWatch watch_{{[this] {
                       ++looked_;
                       return silent_;
                     },
                     [this] { ++asked_; }, [this] { return busy_; }}};
};

// As long as all answer, they are asked again with each look.
TEST_F(PulseWatchTest, AllAnswer) {
  for (int64_t second = 1; second <= 10; ++second) {
    EXPECT_EQ(watch_.Look(second * kSecondNs), "");
    EXPECT_EQ(asked_, second);
    EXPECT_EQ(watch_.SilentFor(kPatience, second * kSecondNs), "");
  }
}

// One that does not is named at once, is not asked again, and has been silent for long when it has
// been so since the look that found it.
TEST_F(PulseWatchTest, OneDoesNot) {
  EXPECT_EQ(watch_.Look(1 * kSecondNs), "");
  silent_ = "fdpass/0";
  EXPECT_EQ(watch_.Look(2 * kSecondNs), "fdpass/0");
  EXPECT_EQ(watch_.Look(4 * kSecondNs), "fdpass/0");
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(watch_.SilentFor(kPatience, 5 * kSecondNs), "");
  EXPECT_EQ(watch_.SilentFor(kPatience, 5 * kSecondNs + 1), "fdpass/0");
}

// One that answers late is asked again, and the next silence begins anew.
TEST_F(PulseWatchTest, OneAnswersLate) {
  silent_ = "router";
  EXPECT_EQ(watch_.Look(1 * kSecondNs), "router");
  silent_ = "";
  EXPECT_EQ(watch_.Look(9 * kSecondNs), "");
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(watch_.SilentFor(kPatience, 9 * kSecondNs), "");
  silent_ = "router";
  EXPECT_EQ(watch_.Look(10 * kSecondNs), "router");
  EXPECT_EQ(watch_.SilentFor(kPatience, 12 * kSecondNs), "");
  EXPECT_EQ(watch_.SilentFor(kPatience, 14 * kSecondNs), "router");
}

// Two that look one right after the other hear the same: nobody had the time to answer in between.
TEST_F(PulseWatchTest, TwoLook) {
  EXPECT_EQ(watch_.Look(kSecondNs), "");
  silent_ = "copypath/0";  // it has just been asked
  EXPECT_EQ(watch_.Look(kSecondNs + kSecondNs / 20), "");
  EXPECT_EQ(looked_, 1);
  EXPECT_EQ(watch_.Look(kSecondNs + kSecondNs / 2), "copypath/0");
  EXPECT_EQ(looked_, 2);
}

// Threads that work waits for are named where all loops go round; they are no silence.
TEST_F(PulseWatchTest, Busy) {
  busy_ = "copypath's splice threads";
  EXPECT_EQ(watch_.Look(1 * kSecondNs), "copypath's splice threads");
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(watch_.SilentFor(kPatience, 9 * kSecondNs), "");
  silent_ = "router";
  EXPECT_EQ(watch_.Look(10 * kSecondNs), "router");
}

}  // namespace
}  // namespace objmapper::server
