// The Range field, as RFC 9110, 14 has it.
#include "protocol/http/ranges.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace objmapper::protocol::http {
namespace {

// "whole", "416", or the parts as "first-last,...".
std::string Of(absl::string_view value, uint64_t size) {
  std::vector<Part> parts;
  switch (ParseRanges(value, size, &parts)) {
    case Ranges::kWhole:
      return "whole";
    case Ranges::kUnsatisfiable:
      return "416";
    case Ranges::kParts:
      break;
  }
  std::string out;
  for (const Part& part : parts) {
    absl::StrAppend(&out, out.empty() ? "" : ",", part.offset, "-", part.offset + part.length - 1);
  }
  return out;
}

TEST(RangesTest, One) {
  EXPECT_EQ(Of("bytes=0-0", 10), "0-0");
  EXPECT_EQ(Of("bytes=0-", 10), "0-9");
  EXPECT_EQ(Of("BYTES=3-5", 10), "3-5");
  EXPECT_EQ(Of("bytes=3-99", 10), "3-9");
  EXPECT_EQ(Of("bytes=3-99999999999999999999999999", 10), "3-9");
  EXPECT_EQ(Of("bytes=-3", 10), "7-9");
  EXPECT_EQ(Of("bytes=-99", 10), "0-9");
  EXPECT_EQ(Of("bytes=-99999999999999999999999999", 10), "0-9");
  EXPECT_EQ(Of("bytes= 3-5 ", 10), "3-5");
}

TEST(RangesTest, Unsatisfiable) {
  for (const char* value : {"bytes=10-", "bytes=10-10", "bytes=11-", "bytes=-0",
                            "bytes=18446744073709551616-", "bytes=10-,-0"}) {
    EXPECT_EQ(Of(value, 10), "416") << value;
  }
  EXPECT_EQ(UnsatisfiedRange(10), "bytes */10");
}

TEST(RangesTest, Ignored) {
  for (const char* value :
       {"", "bytes", "bytes=", "bytes=,", "bytes=a-", "bytes=-", "bytes=5-3", "bytes=1",
        "bytes=--1", "bytes=1-2-3", "bytes=0x1-2", "bytes=+1-2", "bytes 0-1", "items=0-1",
        "bytes=0-1,x", "bytes=0-1;2-3", "bytes=1 -2", "bytes = 1-2"}) {
    EXPECT_EQ(Of(value, 10), "whole") << value;
  }
}

TEST(RangesTest, OfAnEmptyObject) {
  EXPECT_EQ(Of("bytes=0-", 0), "whole");
  EXPECT_EQ(Of("bytes=5-", 0), "416");
  EXPECT_EQ(Of("bytes=-5", 0), "416");
  EXPECT_EQ(Of("bytes=0-0", 0), "416");
}

TEST(RangesTest, Several) {
  EXPECT_EQ(Of("bytes=0-1,5-6", 10), "0-1,5-6");
  EXPECT_EQ(Of("bytes=5-6, ,0-1", 10), "5-6,0-1") << "in the order asked for";
  EXPECT_EQ(Of("bytes=0-1,20-", 10), "0-1") << "what is past the end does not count";
  EXPECT_EQ(Of("bytes=0-3,2-5", 10), "0-5");
  EXPECT_EQ(Of("bytes=0-1,2-3", 10), "0-3");
  EXPECT_EQ(Of("bytes=6-7,0-1,3-4,1-3", 10), "6-7,0-4");
  EXPECT_EQ(Of("bytes=0-4,5-9", 10), "whole") << "all of it, in one piece";
  EXPECT_EQ(Of("bytes=0-9", 10), "0-9");
}

TEST(RangesTest, TooMany) {
  std::string value = "bytes=";
  for (size_t i = 0; i < kRangesMax; ++i) absl::StrAppend(&value, i * 3, "-", i * 3, ",");
  EXPECT_NE(Of(value, 10'000), "whole");
  EXPECT_EQ(Of(value + "9000-9000", 10'000), "whole");
}

TEST(RangesTest, LargeSizes) {
  constexpr uint64_t kSize = UINT64_MAX - 1;
  EXPECT_EQ(Of("bytes=0-1,18446744073709551610-", kSize),
            absl::StrCat("0-1,18446744073709551610-", kSize - 1));
  EXPECT_EQ(ContentRange({3, 4}, 10), "bytes 3-6/10");
}

}  // namespace
}  // namespace objmapper::protocol::http
