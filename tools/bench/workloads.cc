#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "tools/bench/cell_plan.h"

namespace objmapper::bench {

const std::vector<Workload>& Workloads() {
  static const auto* const kWorkloads = new std::vector<Workload>{
      {"fdpass", "descriptors over 1 to 100 connections, of small and large objects", PlanFdpass},
      {"few_connections",
       "descriptors in V1, one request outstanding, 1 to 16 client threads x 1 to 100 connections",
       PlanFewConnections},
      {"throughput", "descriptors at saturation, 16 to 1000 connections", PlanThroughput},
      {"scalability", "descriptors over 10 to 10000 connections", PlanScalability},
      {"latency", "descriptors, open loop at half load; one polling connection", PlanLatency},
      {"copy", "bytes by COPY, 1K to 10M, in the page cache", PlanCopy},
      {"splice", "bytes by SPLICE, 1K to 10M, in the page cache", PlanSplice},
      {"cold", "bytes from the disk, alone and beside a hot connection", PlanCold},
      {"put", "objects stored, as bytes and as descriptors", PlanPut},
      {"sets", "100 to 100000 objects in turn, 1K to 10M: no size and no number may be a cliff",
       PlanSets},
      {"mixed", "descriptors and bytes together, saturated and at half load", PlanMixed},
      {"pipeline", "descriptors, 1 to 64 outstanding, batched and not", PlanPipeline},
      {"idle", "memory and threads for 100 to 10000 idle connections", PlanIdle},
  };
  return *kWorkloads;
}

absl::StatusOr<std::vector<CellPlan>> PlanOf(const std::string& workload,
                                             const Settings& settings) {
  std::vector<CellPlan> plans;
  std::string known;
  for (const Workload& one : Workloads()) {
    absl::StrAppend(&known, " ", one.name);
    if (workload != one.name && workload != "all") continue;
    for (CellPlan& plan : one.plan(settings)) plans.push_back(std::move(plan));
  }
  if (plans.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no workload \"", workload, "\"; there are:", known, " all report"));
  }
  for (const std::string& peer : settings.peer_names) {
    const bool takes_part = absl::c_any_of(
        plans, [&](const CellPlan& plan) { return absl::c_linear_search(plan.contenders, peer); });
    if (!takes_part) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--peers: ", peer, " cannot do what the workload \"", workload, "\" asks of it"));
    }
  }
  return plans;
}

}  // namespace objmapper::bench
