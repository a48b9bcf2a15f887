// Preconditions in the order of RFC 9110, 13.2.2.
#include "protocol/http/preconditions.h"

#include <gtest/gtest.h>

namespace objmapper::protocol::http {
namespace {

constexpr int64_t kNow = 1'800'000'000;
constexpr char kEarlier[] = "Sun, 06 Nov 1994 08:49:36 GMT";
constexpr char kThen[] = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr char kLater[] = "Sun, 06 Nov 1994 08:49:38 GMT";
constexpr Selected kThere = {true, "\"tag\"", 784111777};
constexpr Selected kAbsent = {};

Head With(std::initializer_list<Field> fields) {
  Head head;
  head.fields.assign(fields.begin(), fields.end());
  return head;
}
Verdict Read(std::initializer_list<Field> fields) {
  return EvaluatePreconditions(With(fields), /*reads=*/true, kThere, kNow);
}
Verdict Write(std::initializer_list<Field> fields, const Selected& selected = kThere) {
  return EvaluatePreconditions(With(fields), /*reads=*/false, selected, kNow);
}

TEST(PreconditionsTest, Tags) {
  EXPECT_TRUE(HasTag("*", "\"a\"", false));
  EXPECT_TRUE(HasTag("\"x,\", \"a\"", "\"a\"", false)) << "a comma within quotes";
  EXPECT_TRUE(HasTag(",, \"a\" ,", "\"a\"", false));
  EXPECT_TRUE(HasTag("W/\"a\"", "\"a\"", true));
  EXPECT_FALSE(HasTag("W/\"a\"", "\"a\"", false)) << "weak is not strong";
  for (const char* list : {"", "a", "\"a", "\"b\"", "w/\"a\"", "\"A\"", "x \"a\""})
    EXPECT_FALSE(HasTag(list, "\"a\"", true)) << list;
}

TEST(PreconditionsTest, IfMatch) {
  EXPECT_EQ(Read({{"If-Match", "\"tag\""}}), Verdict::kProceed);
  EXPECT_EQ(Read({{"If-Match", "\"x\""}}), Verdict::kFailed);
  EXPECT_EQ(Read({{"If-Match", "\"x\""}, {"If-Match", "\"tag\""}}), Verdict::kProceed);
  EXPECT_EQ(Write({{"If-Match", "*"}}), Verdict::kProceed);
  EXPECT_EQ(Write({{"If-Match", "*"}}, kAbsent), Verdict::kFailed);
  EXPECT_EQ(Write({{"If-Match", "W/\"tag\""}}), Verdict::kFailed);
}

TEST(PreconditionsTest, IfUnmodifiedSince) {
  EXPECT_EQ(Write({{"If-Unmodified-Since", kThen}}), Verdict::kProceed);
  EXPECT_EQ(Write({{"If-Unmodified-Since", kEarlier}}), Verdict::kFailed);
  EXPECT_EQ(Read({{"If-Unmodified-Since", "no date"}}), Verdict::kProceed);
  EXPECT_EQ(Write({{"If-Match", "\"tag\""}, {"If-Unmodified-Since", kEarlier}}), Verdict::kProceed)
      << "If-Match counts in its place";
}

TEST(PreconditionsTest, IfNoneMatch) {
  EXPECT_EQ(Read({{"If-None-Match", "\"tag\""}}), Verdict::kNotModified);
  EXPECT_EQ(Read({{"If-None-Match", "W/\"tag\", \"x\""}}), Verdict::kNotModified);
  EXPECT_EQ(Read({{"If-None-Match", "*"}}), Verdict::kNotModified);
  EXPECT_EQ(Read({{"If-None-Match", "\"x\""}}), Verdict::kProceed);
  EXPECT_EQ(Write({{"If-None-Match", "*"}}), Verdict::kFailed);
  EXPECT_EQ(Write({{"If-None-Match", "*"}}, kAbsent), Verdict::kProceed);
}

TEST(PreconditionsTest, IfModifiedSince) {
  EXPECT_EQ(Read({{"If-Modified-Since", kThen}}), Verdict::kNotModified);
  EXPECT_EQ(Read({{"If-Modified-Since", kLater}}), Verdict::kNotModified);
  EXPECT_EQ(Read({{"If-Modified-Since", kEarlier}}), Verdict::kProceed);
  EXPECT_EQ(Read({{"If-Modified-Since", "no date"}}), Verdict::kProceed);
  EXPECT_EQ(Read({{"If-Modified-Since", kLater}, {"If-Modified-Since", kEarlier}}),
            Verdict::kProceed)
      << "two dates are none";
  EXPECT_EQ(Write({{"If-Modified-Since", kLater}}), Verdict::kProceed) << "of reads alone";
  EXPECT_EQ(Read({{"If-None-Match", "\"x\""}, {"If-Modified-Since", kLater}}), Verdict::kProceed)
      << "If-None-Match counts in its place";
  EXPECT_EQ(Read({{"If-Match", "\"x\""}, {"If-None-Match", "\"tag\""}}), Verdict::kFailed);
}

TEST(PreconditionsTest, IfRange) {
  EXPECT_TRUE(RangeApplies(With({}), kThere, kNow));
  EXPECT_TRUE(RangeApplies(With({{"If-Range", "\"tag\""}}), kThere, kNow));
  EXPECT_TRUE(RangeApplies(With({{"If-Range", kThen}}), kThere, kNow));
  for (const char* value : {"\"x\"", "W/\"tag\"", "", "no date"})
    EXPECT_FALSE(RangeApplies(With({{"If-Range", value}}), kThere, kNow)) << value;
  EXPECT_FALSE(RangeApplies(With({{"If-Range", kLater}}), kThere, kNow)) << "that very time";
  EXPECT_FALSE(RangeApplies(With({{"If-Range", "\"tag\""}, {"If-Range", "\"x\""}}), kThere, kNow));
}

}  // namespace
}  // namespace objmapper::protocol::http
