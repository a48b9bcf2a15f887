// Sizes, times and rates in at most four digits.
#include "tools/cli/progress.h"

#include <gtest/gtest.h>
#include <stdio.h>

#include <string>

#include "absl/strings/match.h"

namespace objmapper::tools {
namespace {

constexpr uint64_t kMiB = 1 << 20;

TEST(FormatBytesTest, AtMostFourDigits) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1024), "1.0 KiB");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(kMiB - 1), "1.0 MiB");  // not "1024.0 KiB"
  EXPECT_EQ(FormatBytes(100 * kMiB), "100.0 MiB");
  EXPECT_EQ(FormatBytes(~uint64_t{0}), "16.0 EiB");
}

TEST(FormatTimeTest, MinutesThenHours) {
  EXPECT_EQ(FormatTime(absl::ZeroDuration()), "0:00");
  EXPECT_EQ(FormatTime(absl::Milliseconds(1)), "0:01");
  EXPECT_EQ(FormatTime(absl::Seconds(754)), "12:34");
  EXPECT_EQ(FormatTime(absl::Seconds(11045)), "3:04:05");
  EXPECT_EQ(FormatTime(absl::InfiniteDuration()), "-:--");
}

// Rate is the average since the start, and the time left follows from it.
TEST(FormatProgressTest, TellsRateAndTimeLeft) {
  EXPECT_EQ(FormatProgress("model.bin", 25 * kMiB, 100 * kMiB, absl::Seconds(5), 80),
            "model.bin  25% [====>              ] 25.0 MiB of 100.0 MiB  5.0 MiB/s  0:15 left");
  EXPECT_EQ(FormatProgress("model.bin", 100 * kMiB, 100 * kMiB, absl::Seconds(5), 80),
            "model.bin 100% [=================] 100.0 MiB of 100.0 MiB  20.0 MiB/s  0:00 left");
}

// Before the first byte nothing is known of the rate; an empty object is done.
TEST(FormatProgressTest, Ends) {
  EXPECT_TRUE(absl::StrContains(FormatProgress("a", 0, kMiB, absl::ZeroDuration(), 80),
                                "0 B of 1.0 MiB  0 B/s  -:-- left"));
  EXPECT_TRUE(absl::StrContains(FormatProgress("a", 0, 0, absl::ZeroDuration(), 80), "100%"));
}

// Of objects whose sizes nobody knows the time left follows from their number.
TEST(FormatObjectsTest, TellsBytesAndTimeLeft) {
  EXPECT_EQ(FormatObjects("warm", 50, 200, 100 * kMiB, absl::Seconds(5), 80),
            "warm  25% [====>           ] 50 of 200 objects  100.0 MiB  20.0 MiB/s  0:15 left");
  EXPECT_TRUE(absl::StrContains(FormatObjects("warm", 0, 2, 0, absl::Seconds(1), 80),
                                "0 of 2 objects  0 B  0 B/s  -:-- left"));
  EXPECT_TRUE(
      absl::StrContains(FormatObjects("warm", 2, 2, kMiB, absl::ZeroDuration(), 80), "100%"));
}

// However narrow the terminal and long the name, one line it stays, and the numbers go last.
TEST(FormatProgressTest, FitsTheTerminal) {
  for (const char* name : {"", "a", "a name of moderate length", "x\n\x1b[2J"}) {
    for (size_t columns = 0; columns < 200; ++columns) {
      const std::string line =
          FormatProgress(name, 25 * kMiB, 100 * kMiB, absl::Seconds(5), columns);
      EXPECT_LE(line.size(), columns);
      EXPECT_EQ(line.find_first_of("\n\x1b"), std::string::npos);
      EXPECT_TRUE(columns < 60 || absl::EndsWith(line, "0:15 left")) << line;
    }
  }
}

// What is no terminal sees nothing.
TEST(ProgressBarTest, SilentWithoutATerminal) {
  FILE* file = tmpfile();
  ASSERT_NE(file, nullptr);
  {
    ProgressBar bar(file, "a");
    bar.Update(1, 2);
    bar.Update(2, 2);
    bar.Clear();
  }
  EXPECT_EQ(ftell(file), 0);
  fclose(file);
}

}  // namespace
}  // namespace objmapper::tools
