// Bytes that have to come from the disk, and what that does to a hot connection beside them.
#include "absl/strings/str_cat.h"
#include "tools/bench/cast.h"

namespace objmapper::bench {

namespace {

struct Shape {
  const char* reads;  // what the report calls it
  int files;
  uint64_t bytes;
  int connections;
  int depth;
};

constexpr Shape kShapes[] = {
    {"8 files of 64M at once", 8, 64 << 20, 8, 1},
    {"64 files of 1M on one pipelined connection", 64, 1 << 20, 1, 64},
};

LoadOptions HotConnection() {
  LoadOptions hot;
  hot.first = Ask::kFdPass;
  hot.first_names = {"hot"};
  hot.connections = 1;
  return hot;
}

DefaultCast Cast() { return {.models = {"mode_routing", "thread_per_connection", "thread_pool"}}; }

CellPlan ColdReads(const Shape& shape, bool beside, const Settings& settings) {
  CellPlan plan = BasicPlan("cold", settings);
  plan.parameters = {{"reads", shape.reads}};
  if (beside) plan.parameters.emplace_back("beside", "a hot FDPASS connection");
  plan.objects = {{"hot", 1024}};
  for (int i = 0; i < shape.files; ++i) {
    const std::string name = absl::StrCat("cold_", shape.bytes, "_", i);
    plan.objects.push_back({name, shape.bytes});
    plan.load.first_names.push_back(name);
  }
  plan.load.first = Ask::kCopy;
  plan.load.rate = 0;
  plan.load.connections = shape.connections;
  plan.load.depth = shape.depth;
  plan.load.requests_max = static_cast<uint64_t>(shape.files);  // each file once
  plan.cold = true;
  plan.alone = true;
  plan.rounds_times = kJumpyRounds;
  plan.fio = !beside && shape.connections > 1;
  if (beside) plan.beside = HotConnection();
  ChooseCast(settings, Cast(), plan);
  return plan;
}

}  // namespace

std::vector<CellPlan> PlanCold(const Settings& settings) {
  std::vector<CellPlan> plans;
  for (const Shape& shape : kShapes) plans.push_back(ColdReads(shape, /*beside=*/false, settings));
  // The hot connection alone, then with the others.
  CellPlan alone = BasicPlan("cold", settings);
  alone.parameters = {{"reads", "none"}, {"beside", "a hot FDPASS connection"}};
  alone.objects = {{"hot", 1024}};
  alone.load = HotConnection();
  alone.alone = true;
  alone.rounds_times = kJumpyRounds;
  ChooseCast(settings, Cast(), alone);
  plans.push_back(std::move(alone));
  for (const Shape& shape : kShapes) plans.push_back(ColdReads(shape, /*beside=*/true, settings));
  return plans;
}

}  // namespace objmapper::bench
