// Dates of HTTP, against RFC 9110's own examples and timegm(3).
#include "protocol/http/date.h"

#include <gtest/gtest.h>
#include <time.h>

#include <string>

namespace objmapper::protocol::http {
namespace {

constexpr int64_t kNow = 1'800'000'000;  // in 2027
constexpr int64_t kExample = 784111777;  // RFC 9110, 5.6.7

std::string Format(int64_t seconds) {
  std::string out(kDateBytes, '\0');
  FormatDate(seconds, out.data());
  return out;
}

TEST(DateTest, Formats) {
  EXPECT_EQ(Format(kExample), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(Format(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(Format(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(Format(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
}

TEST(DateTest, ParsesTheThreeForms) {
  EXPECT_EQ(ParseDate("Sun, 06 Nov 1994 08:49:37 GMT", kNow), kExample);
  EXPECT_EQ(ParseDate("Sunday, 06-Nov-94 08:49:37 GMT", kNow), kExample);
  EXPECT_EQ(ParseDate("Sun Nov  6 08:49:37 1994", kNow), kExample);
  EXPECT_EQ(ParseDate("Wed Nov 16 08:49:37 1994", kNow), kExample + 10 * 86400);
  EXPECT_EQ(ParseDate("Friday, 01-Jan-77 00:00:00 GMT", kNow), 3376684800) << "2077";
  EXPECT_EQ(ParseDate("Saturday, 01-Jan-78 00:00:00 GMT", kNow), 252460800) << "1978";
}

TEST(DateTest, ThereAndBack) {
  for (int64_t seconds = -60'000'000'000; seconds < 250'000'000'000; seconds += 987'654'321)
    EXPECT_EQ(ParseDate(Format(seconds), kNow), seconds) << Format(seconds);
}

TEST(DateTest, WhatIsNone) {
  for (const char* text :
       {"", "0", "yesterday", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nox 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT", "Sun Nov 6 08:49:37 1994", "1994-11-06T08:49:37Z"}) {
    EXPECT_FALSE(ParseDate(text, kNow).has_value()) << text;
  }
}

}  // namespace
}  // namespace objmapper::protocol::http
