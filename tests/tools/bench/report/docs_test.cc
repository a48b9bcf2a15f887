#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/bench/report/fake_report.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Cell CellOf(const std::string& workload, const std::string& conns, std::vector<Series> series) {
  Cell cell;
  cell.workload = workload;
  cell.parameters = {{"conns", conns}};
  cell.series = std::move(series);
  return cell;
}

// 1000 connections at 50,000 requests/s are 20,000 µs by Little's law.
TEST(DocsTest, ComputesLittlesLaw) {
  Report report;
  report.cells = {
      CellOf("throughput", "1000", {SeriesOf("mode_routing", Kind::kModel, {SampleOf(50000, 8)})})};
  EXPECT_THAT(DocsOf(report), HasSubstr("1,000 / 50,000 per second = 20,000 µs"));
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

// The words follow the figures: whether COPY or FDPASS is cheaper is not decided beforehand.
TEST(DocsTest, ChoosesWordsByTheFigures) {
  Report report;
  Cell copy = CellOf("copy", "16", {SeriesOf("mode_routing", Kind::kModel, {SampleOf(100, 4)})});
  copy.parameters.emplace_back("transport", "unix");
  copy.parameters.emplace_back("size", "1K");
  report.cells = {copy, CellOf("throughput", "16",
                               {SeriesOf("mode_routing", Kind::kModel, {SampleOf(100, 8)})})};
  EXPECT_THAT(DocsOf(report), HasSubstr("COPY is the cheaper way"));
  report.cells[1].series[0].samples = {SampleOf(100, 2)};
  EXPECT_THAT(DocsOf(report), Not(HasSubstr("COPY is the cheaper way")));
}

// What was not measured is said to be missing, not made up.
TEST(DocsTest, SaysWhatIsMissing) {
  EXPECT_THAT(DocsOf(Report()), HasSubstr("Not in this run: the `uring` model."));
}

}  // namespace
}  // namespace objmapper::bench
