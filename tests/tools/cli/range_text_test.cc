// Each form of --range names the bytes that the help says.
#include "tools/cli/range_text.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace objmapper::tools {
namespace {

// Each form names the bytes that the header says.
TEST(ParseRangeTest, ReadsEveryForm) {
  const struct {
    const char* text;
    uint64_t offset;
    uint64_t length;  // 0: to the end
  } cases[] = {
      {"0-99", 0, 100},
      {"5-5", 5, 1},
      {"4096-", 4096, 0},
      {"0-", 0, 0},
      {"100:50", 100, 50},
      {"1M:64K", 1 << 20, 64 << 10},
      {"1k-2K", 1024, 1025},
      {"2g:1T", uint64_t{2} << 30, uint64_t{1} << 40},
      {"0-18446744073709551614", 0, ~uint64_t{0}},
      {"0-18446744073709551615", 0, 0},
      {"18446744073709551614:1", ~uint64_t{0} - 1, 1},
  };
  for (const auto& c : cases) {
    const absl::StatusOr<AskedRange> asked = ParseRange(c.text);
    ASSERT_TRUE(asked.ok()) << asked.status();
    ASSERT_TRUE(asked->range.has_value());
    EXPECT_FALSE(asked->last.has_value());
    EXPECT_EQ(asked->range->offset, c.offset) << c.text;
    EXPECT_EQ(asked->range->length, c.length) << c.text;
  }
  for (const auto& [text, last] :
       {std::pair("-5", uint64_t{5}), {"-2K", 2048}, {"-18446744073709551615", ~uint64_t{0}}}) {
    const absl::StatusOr<AskedRange> asked = ParseRange(text);
    ASSERT_TRUE(asked.ok()) << asked.status();
    EXPECT_FALSE(asked->range.has_value());
    EXPECT_EQ(asked->last, last) << text;
  }
}

// Everything else is refused in a sentence that quotes it.
TEST(ParseRangeTest, RefusesTheRest) {
  for (const char* text : {"",
                           "5",
                           "-",
                           ":",
                           "-0",
                           "--5",
                           "-5-",
                           "-x",
                           ":5",
                           "5:",
                           "5:0",
                           "9-8",
                           "a-b",
                           "1-b",
                           "1:b",
                           "+1-2",
                           "1-+2",
                           " 1-2",
                           "1-2 ",
                           "1--2",
                           "1-2-3",
                           "1:2:3",
                           "K-2",
                           "1KB-2",
                           "0x1-2",
                           "1.5K:2",
                           "18446744073709551616-",
                           "0-18446744073709551616",
                           "18014398509481985K-",
                           "99999999T:1",
                           "18446744073709551615:1",
                           "10:18446744073709551615"}) {
    const absl::Status status = ParseRange(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_TRUE(absl::StartsWith(status.message(), absl::StrCat("--range=", text, ": "))) << status;
  }
}

}  // namespace
}  // namespace objmapper::tools
