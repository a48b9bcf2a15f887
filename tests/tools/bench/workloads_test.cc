// What the workloads plan to ask, and of whom.
#include <gflags/gflags.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/bench/cell_plan.h"

namespace objmapper::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Settings Defaults() {
  Settings settings;
  settings.modes = {"fdpass", "copy", "splice"};
  settings.transports = {Transport::kUnix, Transport::kTcp};
  settings.object_counts = {10};  // "sets" would name millions
  return settings;
}

// Every cell has its measure among its contenders, something to ask for, and objects of those
// names.
TEST(WorkloadsTest, EveryCellCanBeMeasured) {
  const auto plans = PlanOf("all", Defaults());
  ASSERT_TRUE(plans.ok()) << plans.status();
  for (const CellPlan& plan : *plans) {
    EXPECT_THAT(plan.contenders, testing::Contains(plan.baseline)) << plan.workload;
    ASSERT_FALSE(plan.load.first_names.empty()) << plan.workload;
    std::set<std::string> objects;
    for (const auto& object : plan.objects) objects.insert(object.name);
    for (const std::string& name : plan.load.first_names) {
      EXPECT_EQ(objects.count(name), 1u) << plan.workload << " asks for " << name;
    }
  }
}

// The workload of few connections: V1, one request outstanding, 14 cells with no more threads than
// connections, beside a loop with one thread and one with two, and the other build where there is
// one.
TEST(WorkloadsTest, FewConnections) {
  Settings settings = Defaults();
  settings.other_server = "/other";
  std::set<std::pair<int, int>> cells;
  const auto plans = PlanOf("few_connections", settings);
  ASSERT_TRUE(plans.ok()) << plans.status();
  for (const CellPlan& plan : *plans) {
    EXPECT_TRUE(plan.load.v1);
    EXPECT_EQ(plan.load.depth, 1);
    EXPECT_LE(plan.load.client_threads, plan.load.connections);
    EXPECT_THAT(plan.contenders, ElementsAre("floor_fdpass_v1", "floor_fdpass_v1_two",
                                             "mode_routing", "other_build"));
    cells.emplace(plan.load.client_threads, plan.load.connections);
  }
  EXPECT_EQ(cells.size(), 14u);
  EXPECT_EQ(cells.count({16, 16}), 1u);
}

// HTTP: five sizes, both transports and four numbers of connections for GET; each cell with what it
// is held against.
TEST(WorkloadsTest, Http) {
  Settings settings = Defaults();
  settings.peers = true;
  std::map<std::string, int> cells;
  const auto plans = PlanOf("http", settings);
  ASSERT_TRUE(plans.ok()) << plans.status();
  for (const CellPlan& plan : *plans) {
    const std::string ask = plan.parameters.front().second;
    ++cells[ask];
    EXPECT_THAT(plan.contenders, testing::Contains("mode_routing_http")) << ask;
    EXPECT_EQ(plan.generator, Generator::kOwn);
    if (ask == "GET") {
      EXPECT_EQ(plan.load.first, Ask::kCopy);
      EXPECT_THAT(plan.contenders,
                  ElementsAre("mode_routing", "mode_routing_http", "nginx", "lighttpd", "h2o"));
    }
    if (ask == "GET, 1 and 16 deep") {
      EXPECT_THAT(plan.contenders, ElementsAre("mode_routing_http", "mode_routing_http_16"));
    }
    if (ask == "PUT") {
      EXPECT_THAT(plan.contenders, ElementsAre("mode_routing", "mode_routing_http", "nginx"));
      EXPECT_THAT(plan.extra_flags, testing::Contains("--writable"));
    }
    if (ask == "idle") {
      EXPECT_TRUE(plan.idle && plan.alone);
      EXPECT_EQ(plan.load.requests_max, 10'000u);
    }
  }
  const std::map<std::string, int> expected = {
      {"GET", 40}, {"HEAD", 4}, {"304", 4}, {"GET, 1 and 16 deep", 4}, {"PUT", 6}, {"idle", 2}};
  EXPECT_EQ(cells, expected);
  settings.asks = {"head"};
  EXPECT_EQ(PlanOf("http", settings)->size(), 4u);
}

// Every question of a cross-check is asked by every generator, of us and of the others, and is one
// that all of them can ask.
TEST(WorkloadsTest, HttpCrossCheck) {
  Settings settings = Defaults();
  settings.cross_check = true;
  settings.depths = {16};
  const auto plans = PlanOf("http", settings);
  ASSERT_TRUE(plans.ok()) << plans.status();
  std::map<std::string, std::set<Generator>> by;  // the question
  for (const CellPlan& plan : *plans) {
    EXPECT_THAT(plan.contenders, ElementsAre("mode_routing_http", "nginx", "lighttpd", "h2o"));
    EXPECT_EQ(plan.transport, Transport::kTcp);
    EXPECT_EQ(plan.load.depth, 1);
    EXPECT_EQ(plan.parameters.back(),
              std::pair(std::string("by"), std::string(NameOf(plan.generator))));
    by[absl::StrCat(plan.load.connections, " ", plan.load.first_names[0])].insert(plan.generator);
  }
  EXPECT_EQ(by.size(), 6u);
  for (const auto& [question, generators] : by) EXPECT_EQ(generators.size(), 3u) << question;
}

// What is no question is refused, and what are is said.
TEST(SettingsTest, Asks) {
  gflags::FlagSaver saver;
  gflags::SetCommandLineOption("asks", "get,304");
  const auto settings = SettingsFromFlags();
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_THAT(settings->asks, ElementsAre("get", "304"));
  gflags::SetCommandLineOption("asks", "get,trace");
  const absl::Status refused = SettingsFromFlags().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.message(), HasSubstr("--asks=get,trace"));
  EXPECT_THAT(refused.message(), HasSubstr("get, head, 304"));
}

// Origins, questions and sizes are read, and what makes no sense is refused by its flag's name.
TEST(SettingsTest, Origin) {
  const auto with = [](const char* flag, const char* value) {
    gflags::FlagSaver saver;
    gflags::SetCommandLineOption(flag, value);
    return SettingsFromFlags();
  };
  const auto defaults = SettingsFromFlags();
  ASSERT_TRUE(defaults.ok()) << defaults.status();
  EXPECT_EQ(defaults->origin.kinds, OriginKinds());
  EXPECT_EQ(defaults->origin.asks, OriginAsks());
  EXPECT_EQ(defaults->origin.object_bytes, uint64_t{1} << 30);
  EXPECT_EQ(with("object_size", "24M")->origin.object_bytes, 24u << 20);
  EXPECT_THAT(with("origin_asks", "herd,range")->origin.asks, ElementsAre("herd", "range"));
  for (const auto& [flag, value] :
       std::vector<std::pair<const char*, const char*>>{{"origins", "minio"},
                                                        {"origin_asks", "herd,speed"},
                                                        {"object_size", "1"},
                                                        {"object_size", "large"},
                                                        {"object_size", ""},
                                                        {"model_size", "0"},
                                                        {"readers", "0"},
                                                        {"fills", "1001"},
                                                        {"processes", "-1"}}) {
    const absl::Status refused = with(flag, value).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument) << flag;
    EXPECT_THAT(refused.message(), HasSubstr(absl::StrCat("--", flag, "=", value)));
  }
}

// A name that there is none of is refused, and those that there are are said.
TEST(WorkloadsTest, UnknownName) {
  const auto plans = PlanOf("speed", Defaults());
  EXPECT_EQ(plans.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(plans.status().message(), HasSubstr("few_connections"));
}

}  // namespace
}  // namespace objmapper::bench
