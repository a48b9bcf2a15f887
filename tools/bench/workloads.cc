// Which workloads there are, and who takes part in their cells.
#include <sys/resource.h>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tools/bench/plans.h"

namespace objmapper::bench {

namespace {

constexpr Workload kWorkloads[] = {
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
    {"http", "HTTP: GET, HEAD, 304, PUT, pipelined, idle; beside COPY and other people's servers",
     PlanHttp},
    {"mixed", "descriptors and bytes together, saturated and at half load", PlanMixed},
    {"pipeline", "descriptors, 1 to 64 outstanding, batched and not", PlanPipeline},
    {"idle", "memory and threads for 100 to 10000 idle connections", PlanIdle},
};

void Add(const std::vector<std::string>& names, std::vector<std::string>& to) {
  for (const std::string& name : names) {
    if (!absl::c_linear_search(to, name)) to.push_back(name);
  }
}

// Fills plan.contenders and plan.baseline. --baseline joins the contenders when it is not among
// them.
void ChooseContenders(const Settings& settings, CellPlan& plan) {
  std::vector<std::string>& contenders = plan.contenders;
  Add(settings.contenders, contenders);
  if (contenders.empty()) {
    Add(plan.cast.floors, contenders);
    Add(plan.cast.models, contenders);
  }
  for (const std::string& peer : plan.cast.peers) {
    if (settings.peers || absl::c_linear_search(settings.peer_names, peer)) {
      Add({peer}, contenders);
    }
  }
  plan.baseline = settings.baseline;
  if (plan.baseline.empty()) {
    const auto floor = absl::c_find_if(
        contenders, [](const std::string& name) { return absl::StartsWith(name, "floor_"); });
    plan.baseline = floor != contenders.end() ? *floor : contenders.front();
  }
  Add({plan.baseline}, contenders);
  // All contenders' connections are open at once, unless that is more than this process may have.
  rlimit limit;
  const auto wanted = static_cast<uint64_t>(plan.load.connections) * contenders.size();
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && wanted > limit.rlim_max / 2) plan.alone = true;
}

void AddCells(const Workload& workload, const Settings& settings, std::vector<CellPlan>& plans) {
  for (CellPlan& plan : workload.plan(settings)) {
    plan.workload = workload.name;
    ChooseContenders(settings, plan);
    plans.push_back(std::move(plan));
  }
}

}  // namespace

absl::Span<const Workload> Workloads() { return kWorkloads; }

absl::StatusOr<std::vector<CellPlan>> PlanOf(const std::string& workload,
                                             const Settings& settings) {
  std::vector<CellPlan> plans;
  std::string known;
  for (const Workload& one : Workloads()) {
    absl::StrAppend(&known, " ", one.name);
    if (workload == one.name || workload == "all") AddCells(one, settings, plans);
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

std::vector<CellPlan> Scenarios(const Settings& chosen) {
  Settings settings;
  settings.transports = {Transport::kUnix, Transport::kTcp};
  settings.peers = chosen.peers;
  settings.peer_names = chosen.peer_names;
  settings.client_threads = chosen.client_threads;
  // Every way of storing, a small, a middling and a large object.
  Settings storing = settings;
  storing.transports = {Transport::kUnix};
  storing.sizes = {1 << 10, 100 << 10, 1 << 20};
  std::vector<CellPlan> plans;
  // The four scenarios, then what else is promised: latency, pipelining, the disk, memory; and
  // storing.
  for (const absl::string_view name : {"fdpass", "throughput", "copy", "splice", "mixed", "latency",
                                       "pipeline", "cold", "idle", "put"}) {
    const auto workload =
        absl::c_find_if(kWorkloads, [name](const Workload& one) { return one.name == name; });
    AddCells(*workload, name == "put" ? storing : settings, plans);
  }
  return plans;
}

CellPlan BasicPlan(const Settings& settings) {
  CellPlan plan;
  plan.load.client_threads = settings.client_threads;
  plan.load.requests_per_conn = settings.requests_per_conn;
  plan.load.rate = settings.rate;
  return plan;
}

std::string SizeText(uint64_t bytes) {
  constexpr const char* kUnits[] = {"", "K", "M", "G"};
  int unit = 0;
  for (; unit < 3 && bytes != 0 && bytes % 1024 == 0; ++unit) bytes /= 1024;
  return absl::StrCat(bytes, kUnits[unit]);
}

}  // namespace objmapper::bench
