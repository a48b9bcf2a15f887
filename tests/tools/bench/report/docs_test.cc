#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/bench/report/fake_report.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {
namespace {

using ::testing::HasSubstr;

Cell CellOf(const std::string& workload, const std::string& conns, std::vector<Series> series) {
  Cell cell;
  cell.workload = workload;
  cell.parameters = {{"conns", conns}};
  cell.series = std::move(series);
  return cell;
}

// Efficiency is the floor's CPU per request over the model's.
TEST(DocsTest, ComputesEfficiency) {
  Report report;
  report.machine.cores = 2;
  report.cells = {CellOf("throughput", "100",
                         {SeriesOf("floor_fdpass", Kind::kFloor, {SampleOf(100, 5)}),
                          SeriesOf("mode_routing", Kind::kModel, {SampleOf(90, 10)})})};
  EXPECT_THAT(DocsOf(report), HasSubstr("| efficiency at 100 connections | - | - | 50 % |"));
  EXPECT_THAT(DocsOf(report),
              HasSubstr("| requests/s per core at 100 connections | - | - | 45.0 |"));
}

// What was not measured is said to be missing, not made up.
TEST(DocsTest, SaysWhatIsMissing) {
  EXPECT_THAT(DocsOf(Report()), HasSubstr("## Few connections\n\nNot in this run."));
}

}  // namespace
}  // namespace objmapper::bench
