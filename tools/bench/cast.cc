#include "tools/bench/cast.h"

#include <sys/resource.h>

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"

namespace objmapper::bench {

namespace {

void Add(const std::vector<std::string>& names, std::vector<std::string>& to) {
  for (const std::string& name : names) {
    if (std::find(to.begin(), to.end(), name) == to.end()) to.push_back(name);
  }
}

}  // namespace

void ChooseCast(const Settings& settings, const DefaultCast& cast, CellPlan& plan) {
  plan.contenders.clear();
  if (settings.contenders.empty()) {
    Add(cast.floors, plan.contenders);
    Add(cast.models, plan.contenders);
  } else {
    Add(settings.contenders, plan.contenders);
  }
  for (const std::string& peer : cast.peers) {
    if (settings.peers || absl::c_linear_search(settings.peer_names, peer)) {
      Add({peer}, plan.contenders);
    }
  }
  plan.baseline = settings.baseline;
  if (plan.baseline.empty()) {
    plan.baseline = plan.contenders.front();
    for (auto name = plan.contenders.rbegin(); name != plan.contenders.rend(); ++name) {
      if (absl::StartsWith(*name, "floor_")) plan.baseline = *name;
    }
  }
  Add({plan.baseline}, plan.contenders);
  // All contenders' connections are open at once, unless that is more than this process may have.
  rlimit limit;
  const auto wanted = static_cast<uint64_t>(plan.load.connections) * plan.contenders.size();
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && wanted > limit.rlim_max / 2) plan.alone = true;
}

absl::Duration LapOf(int connections, uint64_t bytes) {
  return absl::Nanoseconds(static_cast<int64_t>(static_cast<uint64_t>(connections) * bytes));
}

CellPlan BasicPlan(const std::string& workload, const Settings& settings) {
  CellPlan plan;
  plan.workload = workload;
  plan.load.client_threads = settings.client_threads;
  plan.load.requests_per_conn = settings.requests_per_conn;
  plan.load.rate = settings.rate;
  return plan;
}

}  // namespace objmapper::bench
