// What the workloads plan to ask, and of whom.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <utility>

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

// A name that there is none of is refused, and those that there are are said.
TEST(WorkloadsTest, UnknownName) {
  const auto plans = PlanOf("speed", Defaults());
  EXPECT_EQ(plans.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(plans.status().message(), HasSubstr("few_connections"));
}

}  // namespace
}  // namespace objmapper::bench
