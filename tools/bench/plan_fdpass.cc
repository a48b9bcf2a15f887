// Workloads of descriptors alone.
#include "absl/strings/str_cat.h"
#include "tools/bench/cast.h"
#include "tools/bench/size_text.h"

namespace objmapper::bench {

namespace {

// A cell that asks for one object's descriptor over and over.
CellPlan Descriptors(const std::string& workload, const Settings& settings, int connections,
                     uint64_t size = 1024) {
  CellPlan plan = BasicPlan(workload, settings);
  plan.load.first = Ask::kFdPass;
  plan.load.connections = connections;
  const std::string name = absl::StrCat("fd_", size);
  plan.load.first_names = {name};
  plan.objects = {{name, size}};
  plan.sparse = true;
  return plan;
}

void AddConnections(CellPlan& plan) {
  plan.parameters.emplace_back("conns", absl::StrCat(plan.load.connections));
}

DefaultCast DescriptorCast() {
  return {.floors = {"floor_fdpass"}, .peers = {"dbus_broker", "dbus_daemon"}};
}

std::vector<CellPlan> Closed(const std::string& workload, const Settings& settings,
                             std::vector<int> connections) {
  std::vector<CellPlan> plans;
  for (const int count : Or(settings.connections, std::move(connections))) {
    CellPlan plan = Descriptors(workload, settings, count);
    AddConnections(plan);
    ChooseCast(settings, DescriptorCast(), plan);
    plans.push_back(std::move(plan));
  }
  return plans;
}

}  // namespace

std::vector<CellPlan> PlanFdpass(const Settings& settings) {
  std::vector<CellPlan> plans;
  for (const uint64_t size : Or<uint64_t>(settings.sizes, {1 << 10, 1 << 30})) {
    for (const int count : Or(settings.connections, {1, 2, 16, 100})) {
      CellPlan plan = Descriptors("fdpass", settings, count, size);
      plan.parameters.emplace_back("size", SizeText(size));
      AddConnections(plan);
      ChooseCast(settings, DescriptorCast(), plan);
      plans.push_back(std::move(plan));
    }
  }
  return plans;
}

// The question is whether few connections, from one client thread or more, wake more threads of the
// server than keep up: V1, one request outstanding on each connection, against bare loops with one
// thread and with two.
std::vector<CellPlan> PlanFewConnections(const Settings& settings) {
  DefaultCast cast{.floors = {"floor_fdpass_v1", "floor_fdpass_v1_two"},
                   .models = {"mode_routing"}};
  if (!settings.other_server.empty()) cast.models.push_back("other_build");
  std::vector<int> client_threads = {1, 2, 4, 16};
  if (settings.client_threads > 1) client_threads = {settings.client_threads};
  std::vector<CellPlan> plans;
  for (const int threads : client_threads) {
    for (const int count : Or(settings.connections, {1, 2, 4, 16, 100})) {
      if (count < threads) continue;
      CellPlan plan = Descriptors("few_connections", settings, count);
      plan.load.v1 = true;
      plan.load.client_threads = threads;
      plan.parameters.emplace_back("client threads", absl::StrCat(threads));
      AddConnections(plan);
      ChooseCast(settings, cast, plan);
      plans.push_back(std::move(plan));
    }
  }
  return plans;
}

std::vector<CellPlan> PlanThroughput(const Settings& settings) {
  return Closed("throughput", settings, {16, 100, 1000});
}

std::vector<CellPlan> PlanScalability(const Settings& settings) {
  return Closed("scalability", settings, {10, 100, 1000, 5000, 10000});
}

std::vector<CellPlan> PlanLatency(const Settings& settings) {
  std::vector<CellPlan> plans;
  for (const int count : Or(settings.connections, {1000})) {
    CellPlan plan = Descriptors("latency", settings, count);
    AddConnections(plan);
    plan.parameters.emplace_back(
        "rate", settings.rate > 0 ? absl::StrCat(settings.rate) : "half of the baseline's most");
    if (settings.rate == 0) plan.rate_share = 0.5;
    plan.saturating = plan.load;
    plan.rounds_times = kJumpyRounds;
    ChooseCast(settings, DescriptorCast(), plan);
    plans.push_back(std::move(plan));
  }
  // One connection whose both ends spin. Nobody else may run meanwhile.
  CellPlan polling = Descriptors("latency", settings, 1);
  AddConnections(polling);
  polling.parameters.emplace_back("client", "polls");
  polling.load.poll = true;
  polling.alone = true;
  polling.extra_flags = {"--optimize_for_latency"};
  ChooseCast(settings, {.floors = {"floor_fdpass_poll"}, .models = {"mode_routing"}}, polling);
  plans.push_back(std::move(polling));
  return plans;
}

std::vector<CellPlan> PlanPipeline(const Settings& settings) {
  std::vector<CellPlan> plans;
  for (const bool batch : {true, false}) {
    for (const int depth : Or(settings.depths, {1, 4, 16, 64})) {
      for (const int count : Or(settings.connections, {1})) {
        CellPlan plan = Descriptors("pipeline", settings, count);
        plan.parameters.emplace_back("batch", batch ? "on" : "off");
        plan.parameters.emplace_back("depth", absl::StrCat(depth));
        AddConnections(plan);
        plan.load.depth = depth;
        plan.load.batch = batch;
        DefaultCast cast = DescriptorCast();
        cast.floors = {batch ? "floor_fdpass_batch" : "floor_fdpass"};
        cast.peers.clear();
        ChooseCast(settings, cast, plan);
        plans.push_back(std::move(plan));
      }
    }
  }
  return plans;
}

std::vector<CellPlan> PlanIdle(const Settings& settings) {
  std::vector<CellPlan> plans;
  for (const int count : Or(settings.connections, {100, 1000, 10000})) {
    CellPlan plan = Descriptors("idle", settings, count);
    AddConnections(plan);
    // Each connection asks once, so that it is where it would stay, and then nothing.
    plan.load.requests_max = static_cast<uint64_t>(count);
    plan.load.rate = 0;
    plan.idle = true;
    plan.alone = true;
    ChooseCast(settings, DescriptorCast(), plan);
    plans.push_back(std::move(plan));
  }
  return plans;
}

}  // namespace objmapper::bench
