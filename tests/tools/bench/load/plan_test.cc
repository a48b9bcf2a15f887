#include "tools/bench/load/plan.h"

#include <gtest/gtest.h>

#include <memory>

#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {
namespace {

LoadOptions Mixed(double ratio) {
  LoadOptions options;
  options.mix_ratio = ratio;
  options.first_names = {"a", "b", "c"};
  options.second_names = {"d", "e"};
  return options;
}

// Of any ten requests in a row of any connection, eight are the first side's.
TEST(PlanTest, SidesAlternateEvenly) {
  const std::unique_ptr<WireDriver> driver = MakeRedis();
  const Plan plan(*driver, Mixed(0.8));
  for (int connection = 0; connection < 20; ++connection) {
    Turn turn(plan, connection);
    for (int window = 0; window < 20; ++window) {
      int first = 0;
      for (int i = 0; i < 10; ++i) first += plan.item(turn.Next()).first ? 1 : 0;
      EXPECT_NEAR(first, 8, 1);
    }
  }
}

// By connection, each keeps to one side, and of any ten connections five are the first side's.
TEST(PlanTest, ConnectionsKeepToOneSide) {
  const std::unique_ptr<WireDriver> driver = MakeRedis();
  LoadOptions options = Mixed(0.5);
  options.mix_per_connection = true;
  const Plan plan(*driver, options);
  int first_sided = 0;
  for (int connection = 0; connection < 10; ++connection) {
    Turn turn(plan, connection);
    const bool first = plan.item(turn.Next()).first;
    for (int i = 0; i < 20; ++i) EXPECT_EQ(plan.item(turn.Next()).first, first);
    first_sided += first ? 1 : 0;
  }
  EXPECT_EQ(first_sided, 5);
}

// A connection asks for the names in turn, and its neighbour starts one further.
TEST(PlanTest, NamesComeInTurn) {
  const std::unique_ptr<WireDriver> driver = MakeRedis();
  const Plan plan(*driver, Mixed(1));
  Turn zero(plan, 0), one(plan, 1);
  for (uint32_t i = 0; i < 7; ++i) {
    EXPECT_EQ(zero.Next(), i % 3);
    EXPECT_EQ(one.Next(), (i + 1) % 3);
  }
}

}  // namespace
}  // namespace objmapper::bench
