// HTTP against peers and COPY, in figures that are known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/bench/report/fake_report.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Cell CellOf(const std::string& ask, const std::string& size, std::vector<Series> series) {
  Cell cell;
  cell.workload = "http";
  cell.parameters = {{"ask", ask}, {"transport", "unix"}, {"conns", "16"}, {"size", size}};
  cell.series = std::move(series);
  return cell;
}

Series Ours(Sample sample) { return SeriesOf("mode_routing_http", Kind::kModel, {sample}); }
Series Copy(Sample sample) { return SeriesOf("mode_routing", Kind::kModel, {sample}); }
Series Peer(const std::string& name, Sample sample) {
  return SeriesOf(name, Kind::kPeer, {sample});
}

// Throughput is held against the peer that answers most, CPU against the one that takes least, and
// a cell counts when both are kept.
TEST(HttpTest, ComparesWithTheBestPeerOfEachMeasure) {
  Report report;
  report.cells = {
      CellOf("GET", "1K",
             {Ours(SampleOf(20000, 4)), Peer("nginx", SampleOf(25000, 8)),
              Peer("h2o", SampleOf(10000, 5))}),
      CellOf("GET", "10K", {Ours(SampleOf(30000, 4)), Peer("nginx", SampleOf(20000, 8))})};
  const std::string text = HttpText(report);
  EXPECT_THAT(text, HasSubstr("GET unix 16 1K"));
  EXPECT_THAT(text, HasSubstr("20.0 k, 4.0 µs"));
  EXPECT_THAT(text, HasSubstr("0.80 (0.80–0.80) nginx"));
  EXPECT_THAT(text, HasSubstr("0.80 (0.80–0.80) h2o"));
  EXPECT_THAT(text, HasSubstr("GET, of 2 cells with a peer: at least the best peer's requests/s in "
                              "1, at most the cheapest peer's CPU in 2, both in 1\n"));
}

// GET may cost 1.15 times what COPY costs at 1K, 1.03 times from 100K on; between them there is no
// bar, and for other requests there is none at all.
TEST(HttpTest, HoldsGetAgainstCopy) {
  Report report;
  for (const auto& [size, cpu_us] :
       {std::pair("1K", 11.0), std::pair("1K", 12.0), std::pair("10K", 30.0),
        std::pair("100K", 11.0), std::pair("1M", 10.2), std::pair("10M", 10.0)}) {
    report.cells.push_back(
        CellOf("GET", size, {Copy(SampleOf(100, 10)), Ours(SampleOf(100, cpu_us))}));
  }
  report.cells.push_back(CellOf("PUT", "1K", {Copy(SampleOf(100, 10)), Ours(SampleOf(100, 10))}));
  const std::string text = HttpText(report);
  EXPECT_THAT(text, HasSubstr("GET, of 5 cells of 1K and of 100K or more: CPU at most 1.15 and "
                              "1.03 of COPY's in 3\n"));
  EXPECT_THAT(text, HasSubstr("3.00 (3.00–3.00)"));
  EXPECT_THAT(text, Not(HasSubstr("PUT, of")));
}

TEST(HttpTest, SaysWhatPipeliningBrings) {
  Report report;
  report.cells = {CellOf("GET, 1 and 16 deep", "1K",
                         {Ours(SampleOf(100, 10)),
                          SeriesOf("mode_routing_http_16", Kind::kModel, {SampleOf(300, 4)})})};
  EXPECT_THAT(HttpText(report), HasSubstr("16 deep against 1, unix 16 1K: requests/s 3.00 "
                                          "(3.00–3.00), CPU 0.40 (0.40–0.40)\n"));
}

// An idle connection is memory: what the process grew by, for each.
TEST(HttpTest, CountsSmallIdleConnections) {
  Sample small = SampleOf(16, 10), large = SampleOf(16, 10);
  small.rss_before_bytes = small.rss_bytes - 16 * 2048;
  large.rss_before_bytes = large.rss_bytes - 16 * 2049;
  Report report;
  report.cells = {CellOf("idle", "1K", {Ours(small), Peer("nginx", large)}),
                  CellOf("idle", "1K", {Ours(large)})};
  EXPECT_EQ(HeadlineOf(report.cells[0]), Measure::kRssPerConnection);
  const std::string text = HttpText(report);
  EXPECT_THAT(text, HasSubstr("idle, unix 16: 2,048 bytes each; nginx 2,049\n"));
  EXPECT_THAT(text, HasSubstr("idle, of 2 cells: at most 2048 bytes each in 1\n"));
}

// What is missing has no figure and counts nowhere; other workloads have no such text.
TEST(HttpTest, LeavesOutWhatIsMissing) {
  Report report;
  report.cells = {FakeCell()};
  EXPECT_EQ(HttpText(report), "");
  report.cells = {CellOf("PUT", "1K", {Peer("nginx", SampleOf(100, 10))})};
  EXPECT_THAT(HttpText(report), HasSubstr("PUT unix 16 1K"));
  EXPECT_THAT(HttpText(report), Not(HasSubstr("PUT, of")));
}

}  // namespace
}  // namespace objmapper::bench
