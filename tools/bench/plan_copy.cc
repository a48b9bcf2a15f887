// Workloads of bytes that are in the page cache.
#include "absl/strings/str_cat.h"
#include "tools/bench/cast.h"
#include "tools/bench/size_text.h"

namespace objmapper::bench {

namespace {

std::vector<CellPlan> Bodies(const std::string& workload, Ask ask, const Settings& settings,
                             const DefaultCast& cast) {
  std::vector<CellPlan> plans;
  for (const Transport transport : settings.transports) {
    for (const int count : Or(settings.connections, {16, 100})) {
      for (const uint64_t size :
           Or<uint64_t>(settings.sizes, {1 << 10, 10 << 10, 100 << 10, 1 << 20, 10 << 20})) {
        CellPlan plan = BasicPlan(workload, settings);
        plan.transport = transport;
        plan.parameters = {{"transport", transport == Transport::kUnix ? "unix" : "tcp"},
                           {"conns", absl::StrCat(count)},
                           {"size", SizeText(size)}};
        plan.load.first = ask;
        plan.load.connections = count;
        plan.lap = LapOf(count, size);
        if (!settings.depths.empty()) plan.load.depth = settings.depths.front();
        const std::string name = absl::StrCat("hot_", size);
        plan.load.first_names = {name};
        plan.objects = {{name, size}};
        ChooseCast(settings, cast, plan);
        plans.push_back(std::move(plan));
      }
    }
  }
  return plans;
}

}  // namespace

std::vector<CellPlan> PlanCopy(const Settings& settings) {
  return Bodies("copy", Ask::kCopy, settings,
                {.floors = {"floor_copy_buffer", "floor_copy_map"},
                 .peers = {"nginx", "lighttpd", "h2o", "redis", "memcached"}});
}

std::vector<CellPlan> PlanSplice(const Settings& settings) {
  return Bodies(
      "splice", Ask::kSplice, settings,
      {.floors = {"floor_splice", "floor_sendfile"}, .peers = {"nginx", "lighttpd", "h2o"}});
}

}  // namespace objmapper::bench
