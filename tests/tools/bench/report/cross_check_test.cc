#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/bench/report/fake_report.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {
namespace {

using ::testing::HasSubstr;

// A cell in which we and nginx answered so much, as one generator has it.
Cell CellBy(const std::string& by, const std::string& size, Sample ours, Sample nginx) {
  Cell cell;
  cell.workload = "http";
  cell.parameters = {{"ask", "GET"}, {"size", size}, {"by", by}};
  cell.series = {SeriesOf("mode_routing_http", Kind::kModel, {ours, ours}),
                 SeriesOf("nginx", Kind::kPeer, {nginx, nginx})};
  return cell;
}

// It is ratios that have to agree, not figures: a slow generator finds the same ratio.
TEST(CrossCheckTest, ComparesRatios) {
  Report report;
  report.cells = {CellBy("own", "1K", SampleOf(200, 4), SampleOf(100, 8)),
                  CellBy("wrk", "1K", SampleOf(42, 8), SampleOf(20, 16)),
                  CellBy("h2load", "1K", SampleOf(30, 8), SampleOf(20, 16))};
  const std::string text = CrossCheckText(report);
  EXPECT_THAT(text, HasSubstr("GET 1K: / nginx"));
  EXPECT_THAT(text, HasSubstr("2.10 "));
  EXPECT_THAT(text, HasSubstr("1.50 (!)"));
  EXPECT_THAT(text, HasSubstr("wrk, of 1 ratios of requests/s: 1 within 10 % of"));
  EXPECT_THAT(text, HasSubstr("h2load, of 1 ratios of requests/s: 0 within 10 % of"));
  EXPECT_THAT(text, HasSubstr("h2load, of 1 ratios of server CPU µs per request: 1 within"));
}

// A cell that one generator has not measured counts nowhere; nothing checked, nothing said.
TEST(CrossCheckTest, LeavesOutWhatIsMissing) {
  Report report;
  report.cells = {FakeCell()};
  EXPECT_EQ(CrossCheckText(report), "");
  EXPECT_EQ(HttpText(report), "");
  Cell missing = CellBy("wrk", "1M", SampleOf(1, 1), SampleOf(1, 1));
  missing.series[1].samples.clear();
  report.cells = {CellBy("own", "1K", SampleOf(200, 4), SampleOf(100, 8)),
                  CellBy("wrk", "1K", SampleOf(200, 4), SampleOf(100, 8)),
                  CellBy("own", "1M", SampleOf(200, 4), SampleOf(100, 8)), missing};
  EXPECT_THAT(CrossCheckText(report), HasSubstr("wrk, of 1 ratios of requests/s: 1 within"));
  EXPECT_EQ(HttpText(report), "");  // which is about cells of our own generator
}

}  // namespace
}  // namespace objmapper::bench
