#include "tools/bench/report/cliffs.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace objmapper::bench {
namespace {

// A cell of the workload in which each request cost `us`.
Cell CellOf(int objects, uint64_t bytes, double us, const std::string& mode = "copy") {
  Cell cell;
  cell.workload = "sets";
  cell.parameters = {{"mode", mode},
                     {"transport", "unix"},
                     {"conns", "16"},
                     {"objects", absl::StrCat(objects)},
                     {"size", absl::StrCat(bytes)}};
  Series series;
  series.contender = "mode_routing";
  Sample sample;
  sample.seconds = 1;
  sample.requests = 1000;
  sample.server_cpu_s = us * 1000 / 1e6;
  series.samples = {sample, sample};
  cell.series = {series};
  return cell;
}

// What lies on a line is found to, and a cost is never said to be negative.
TEST(CliffsTest, FitsALine) {
  const CostFit line = FitOf({{1000, 11}, {2000, 12}, {100'000, 110}});
  EXPECT_NEAR(line.fixed_us, 10, 1e-6);
  EXPECT_NEAR(line.us_per_byte, 1e-3, 1e-9);
  const CostFit flat = FitOf({{1000, 12}, {2000, 10}, {3000, 8}});
  EXPECT_EQ(flat.us_per_byte, 0);
  EXPECT_GT(flat.fixed_us, 8);
  const CostFit steep = FitOf({{1000, 1}, {2000, 4}});
  EXPECT_EQ(steep.fixed_us, 0);
  EXPECT_GT(steep.us_per_byte, 0);
  EXPECT_NEAR(FitOf({{1000, 5}}).At(1000), 5, 1e-9);
}

// A size that costs three times what its neighbours do is found; curves are apart by number of
// objects and mode, and in the order of their sizes.
TEST(CliffsTest, FindsTheStep) {
  Report report;
  for (const uint64_t bytes : {100'000, 1000, 16'000, 17'000, 70'000}) {
    const double line = 10 + 1e-4 * static_cast<double>(bytes);
    report.cells.push_back(CellOf(100, bytes, line));
    report.cells.push_back(CellOf(10'000, bytes, bytes == 17'000 ? 3 * line : line));
  }
  report.cells.push_back(CellOf(100, 1000, 1, "fdpass"));
  const std::vector<SizeCurve> curves = CurvesOf(report);
  ASSERT_EQ(curves.size(), 2u);
  EXPECT_EQ(curves[0].costs.size(), 5u);
  EXPECT_EQ(curves[0].costs.front().first, 1000u);
  EXPECT_NEAR(curves[0].step, 1, 1e-6);
  EXPECT_NEAR(curves[1].step, 3, 0.2);
  EXPECT_TRUE(curves[1].costs[curves[1].worst].first == 17'000 ||
              curves[1].costs[curves[1].worst + 1].first == 17'000);
  const std::string text = CliffsText(report);
  EXPECT_NE(text.find("10000 objects"), std::string::npos) << text;
  EXPECT_NE(text.find("17000"), std::string::npos) << text;
  EXPECT_EQ(CliffsText(Report()), "");
}

}  // namespace
}  // namespace objmapper::bench
