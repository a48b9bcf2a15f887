// A figure is held against its bar by its median, and the table says so.
#include "tools/bench/origin/figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace objmapper::bench {
namespace {

using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(FiguresTest, MediansAndBars) {
  Figures figures;
  figures.Add({"herd", "nginx", "at the bar", {1.01}, AtMost(1.01)});
  figures.Add({"herd", "nginx", "above the bar", {1.0, 1.5, 9.0}, AtMost(1.3)});
  figures.Add({"hits", "nginx", "enough", {0.9, 0.99, 0.99}, AtLeast(0.98)});
  figures.Add({"hits", "nginx", "too little", {0.5, 0.5, 2.0}, AtLeast(0.98)});
  figures.Add({"fill", "radosgw", "told", {42.0}});
  figures.LeaveOut("fill", "nginx", "aws", "it speaks S3 alone");
  const std::string table = figures.Table();
  EXPECT_THAT(table, ContainsRegex("herd, nginx: at the bar +1.01 +at most 1.01 +yes\n"));
  EXPECT_THAT(table, ContainsRegex("above the bar +1.50 +1.25–5.25 .3. +at most 1.30 +no\n"));
  EXPECT_THAT(table, ContainsRegex("enough .*at least 0.98 +yes\n"));
  EXPECT_THAT(table, ContainsRegex("too little .*at least 0.98 +no\n"));
  EXPECT_THAT(table, ContainsRegex("fill, radosgw: told +42.0 *\n"));
  EXPECT_THAT(table, HasSubstr("2 of 4 bars are held.\n"));
  EXPECT_THAT(table, HasSubstr("fill, nginx: aws is left out: it speaks S3 alone\n"));
  EXPECT_THAT(table, Not(HasSubstr("nan")));
}

TEST(FiguresTest, RatiosAreOfOneRound) { EXPECT_THAT(Ratios({2, 9}, {4, 3}), ElementsAre(0.5, 3)); }

}  // namespace
}  // namespace objmapper::bench
