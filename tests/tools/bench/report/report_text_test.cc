#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "tests/tools/bench/report/fake_report.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The line that begins with a name.
std::string LineOf(const std::string& table, const std::string& name) {
  for (const absl::string_view line : absl::StrSplit(table, '\n')) {
    if (line.substr(0, name.size() + 2) == "  " + name) return std::string(line);
  }
  return "";
}

// Ratios of throughput and of CPU stand in the contender's line, with quartiles.
TEST(CellTableTest, HasRatiosToTheBaseline) {
  const std::string table = CellTable(FakeCell());
  EXPECT_THAT(table, HasSubstr("copy size=1K conns=16"));
  EXPECT_THAT(LineOf(table, "mode_routing"), HasSubstr("0.90 (0.90–0.90)"));
  EXPECT_THAT(LineOf(table, "mode_routing"), HasSubstr("2.00 (2.00–2.00)"));
  EXPECT_THAT(LineOf(table, "redis"), HasSubstr("1.20 (1.20–1.20)"));
  EXPECT_THAT(LineOf(table, "floor_fdpass"), HasSubstr("baseline"));
}

// A missing contender is a note with its reason; warnings are notes too.
TEST(CellTableTest, NotesWhoIsMissing) {
  const std::string table = CellTable(FakeCell());
  EXPECT_THAT(table, HasSubstr("nginx is missing: not installed"));
  EXPECT_THAT(table, HasSubstr("warning: noisy: a test"));
}

// Connections without an answer have a column once there are any.
TEST(CellTableTest, CountsConnectionsWithoutAnAnswer) {
  Cell cell = FakeCell();
  EXPECT_THAT(CellTable(cell), Not(HasSubstr("starved")));
  for (Sample& sample : cell.series[1].samples) sample.starved = 1234;
  EXPECT_THAT(CellTable(cell), HasSubstr("starved"));
  EXPECT_THAT(LineOf(CellTable(cell), "mode_routing"), HasSubstr("1,234"));
}

// Without a baseline, or when it is missing, there are no ratios.
TEST(CellTableTest, HasNoRatiosWithoutABaseline) {
  Cell cell = FakeCell();
  cell.baseline = "";
  EXPECT_THAT(CellTable(cell), Not(HasSubstr("base")));
  cell.baseline = "nginx";
  EXPECT_THAT(CellTable(cell), Not(HasSubstr("base")));
}

// A cell that nobody answered is its title and notes.
TEST(CellTableTest, TakesACellWithoutFigures) {
  Cell cell = FakeCell();
  cell.series = {cell.series[3]};
  EXPECT_THAT(CellTable(cell), HasSubstr("nginx is missing"));
}

}  // namespace
}  // namespace objmapper::bench
