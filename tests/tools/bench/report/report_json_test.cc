#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/bench/report/fake_report.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {
namespace {

using ::testing::HasSubstr;

// What is written is read back, field by field.
TEST(ReportJsonTest, RoundTrips) {
  const Report report = FakeReport();
  const absl::StatusOr<Report> back = FromJson(ToJson(report));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(ToJson(*back), ToJson(report));
  EXPECT_EQ(back->machine.cpu, "a CPU");
  ASSERT_EQ(back->cells.size(), 1u);
  const Cell& cell = back->cells[0];
  EXPECT_EQ(cell.parameters, report.cells[0].parameters);
  ASSERT_EQ(cell.series.size(), 4u);
  EXPECT_EQ(cell.series[0].kind, Kind::kFloor);
  EXPECT_EQ(cell.series[2].kind, Kind::kPeer);
  EXPECT_EQ(cell.series[3].missing, "not installed");
  ASSERT_EQ(cell.series[1].samples.size(), 3u);
  EXPECT_EQ(cell.series[1].samples[2].requests, 270u);
  EXPECT_DOUBLE_EQ(cell.series[1].samples[2].server_cpu_s,
                   report.cells[0].series[1].samples[2].server_cpu_s);
}

// Text that is no UTF-8 does not stop a report from being written.
TEST(ReportJsonTest, WritesAnyBytes) {
  Report report = FakeReport();
  report.cells[0].series[3].missing = "log: \xff\xfe";
  EXPECT_TRUE(FromJson(ToJson(report)).ok());
}

// What is malformed is refused, and the message says where.
TEST(ReportJsonTest, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(FromJson("{").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(FromJson("{").status().message()), HasSubstr("line 1, column 2"));
  EXPECT_THAT(std::string(FromJson("{}").status().message()), HasSubstr("'date'"));

  std::string json = ToJson(FakeReport());
  json.replace(json.find("\"peer\""), 6, "\"rival\"");
  EXPECT_THAT(std::string(FromJson(json).status().message()), HasSubstr("rival"));

  json = ToJson(FakeReport());
  json.replace(json.find("\"threads\": 3"), 12, "\"threads\": \"\"");
  EXPECT_THAT(std::string(FromJson(json).status().message()),
              HasSubstr("/cells/0/series/0/samples/0/threads"));
}

}  // namespace
}  // namespace objmapper::bench
