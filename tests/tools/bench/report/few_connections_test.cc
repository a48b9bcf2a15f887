#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/bench/report/fake_report.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {
namespace {

using ::testing::HasSubstr;

// A cell in which the loop with one thread, the one with two and the server answered so much.
Cell CellOf(const std::string& conns, Sample one, Sample two, std::vector<Sample> server) {
  Cell cell;
  cell.workload = "few_connections";
  cell.parameters = {{"client threads", "1"}, {"conns", conns}};
  cell.series = {SeriesOf("floor_fdpass_v1", Kind::kFloor, {one, one, one}),
                 SeriesOf("floor_fdpass_v1_two", Kind::kFloor, {two, two, two}),
                 SeriesOf("mode_routing", Kind::kModel, std::move(server))};
  return cell;
}

// The measure is the loop that answers more, whichever that is in a cell, and its CPU.
TEST(FewConnectionsTest, ComparesWithTheBetterLoop) {
  Report report;
  report.cells = {CellOf("1", SampleOf(20000, 10), SampleOf(10000, 5),
                         {SampleOf(18000, 10.5), SampleOf(19000, 10.5), SampleOf(20000, 10.5)}),
                  CellOf("2", SampleOf(10000, 5), SampleOf(30000, 20),
                         {SampleOf(27000, 23), SampleOf(27000, 23), SampleOf(27000, 23)})};
  const std::string text = FewConnectionsText(report);
  EXPECT_THAT(text, HasSubstr("19.0 k, 10.5 µs"));
  EXPECT_THAT(text, HasSubstr("0.95 (0.93), CPU 1.05"));
  EXPECT_THAT(text, HasSubstr("0.90 (0.90), CPU 1.15"));
  EXPECT_THAT(text, HasSubstr("mode_routing, of 2 cells: throughput at least 0.95 in 1, CPU at "
                              "most 1.10 in 1, both in 1\n"));
}

// Both bars have to be kept in the same cell.
TEST(FewConnectionsTest, CountsCellsThatKeepBoth) {
  Report report;
  report.cells = {CellOf("1", SampleOf(100, 10), SampleOf(90, 10), {SampleOf(100, 20)}),
                  CellOf("2", SampleOf(100, 10), SampleOf(90, 10), {SampleOf(50, 10)})};
  EXPECT_THAT(FewConnectionsText(report), HasSubstr("0.95 in 1, CPU at most 1.10 in 1, both in 0"));
}

// What is missing has no figure and counts nowhere; other workloads have no such text.
TEST(FewConnectionsTest, LeavesOutWhatIsMissing) {
  Report report;
  report.cells = {FakeCell()};
  EXPECT_EQ(FewConnectionsText(report), "");
  report.cells = {CellOf("1", SampleOf(100, 10), SampleOf(90, 10), {})};
  EXPECT_THAT(FewConnectionsText(report), HasSubstr("mode_routing, of 0 cells"));
}

}  // namespace
}  // namespace objmapper::bench
