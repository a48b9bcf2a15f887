// Workloads of descriptors alone.
#include "absl/strings/str_cat.h"
#include "tools/bench/plans.h"

namespace objmapper::bench {

namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

// A cell that asks for one object's descriptor over and over.
CellPlan Descriptors(const Settings& settings, int connections, Parameters parameters = {},
                     uint64_t size = 1024) {
  CellPlan plan = BasicPlan(settings);
  plan.load.first = Ask::kFdPass;
  plan.load.connections = connections;
  plan.parameters = std::move(parameters);
  plan.parameters.emplace_back("conns", absl::StrCat(connections));
  plan.load.first_names = {absl::StrCat("fd_", size)};
  plan.objects = {{plan.load.first_names[0], size}};
  plan.sparse = true;
  plan.cast = {.floors = {"floor_fdpass"}, .peers = {"dbus_broker", "dbus_daemon"}};
  return plan;
}

std::vector<CellPlan> Closed(const Settings& settings, std::vector<int> connections) {
  std::vector<CellPlan> plans;
  for (const int count : Or(settings.connections, std::move(connections))) {
    plans.push_back(Descriptors(settings, count));
  }
  return plans;
}

}  // namespace

std::vector<CellPlan> PlanFdpass(const Settings& settings) {
  std::vector<CellPlan> plans;
  for (const uint64_t size : Or<uint64_t>(settings.sizes, {1 << 10, 1 << 30})) {
    for (const int count : Or(settings.connections, {1, 2, 16, 100})) {
      plans.push_back(Descriptors(settings, count, {{"size", SizeText(size)}}, size));
    }
  }
  return plans;
}

// The question is whether few connections, from one client thread or more, wake more threads of the
// server than keep up: V1, one request outstanding on each connection, against bare loops with one
// thread and with two.
std::vector<CellPlan> PlanFewConnections(const Settings& settings) {
  std::vector<int> client_threads = {1, 2, 4, 16};
  if (settings.client_threads > 1) client_threads = {settings.client_threads};
  std::vector<CellPlan> plans;
  for (const int threads : client_threads) {
    for (const int count : Or(settings.connections, {1, 2, 4, 16, 100})) {
      if (count < threads) continue;
      CellPlan& plan = plans.emplace_back(
          Descriptors(settings, count, {{"client threads", absl::StrCat(threads)}}));
      plan.load.v1 = true;
      plan.load.client_threads = threads;
      plan.cast = {.floors = {"floor_fdpass_v1", "floor_fdpass_v1_two"},
                   .models = {"mode_routing"}};
      if (!settings.other_server.empty()) plan.cast.models.push_back("other_build");
    }
  }
  return plans;
}

std::vector<CellPlan> PlanThroughput(const Settings& settings) {
  return Closed(settings, {16, 100, 1000});
}

std::vector<CellPlan> PlanScalability(const Settings& settings) {
  return Closed(settings, {10, 100, 1000, 5000, 10000});
}

std::vector<CellPlan> PlanLatency(const Settings& settings) {
  std::vector<CellPlan> plans = Closed(settings, {1000});
  for (CellPlan& plan : plans) {
    plan.parameters.emplace_back(
        "rate", settings.rate > 0 ? absl::StrCat(settings.rate) : "half of the baseline's most");
    if (settings.rate == 0) plan.rate_share = 0.5;
    plan.saturating = plan.load;
    plan.rounds_times = kJumpyRounds;
  }
  // One connection whose both ends spin. Nobody else may run meanwhile.
  CellPlan& polling = plans.emplace_back(Descriptors(settings, 1));
  polling.parameters.emplace_back("client", "polls");
  polling.load.poll = true;
  polling.alone = true;
  polling.extra_flags = {"--optimize_for_latency"};
  polling.cast = {.floors = {"floor_fdpass_poll"}, .models = {"mode_routing"}};
  return plans;
}

std::vector<CellPlan> PlanPipeline(const Settings& settings) {
  std::vector<CellPlan> plans;
  for (const bool batch : {true, false}) {
    for (const int depth : Or(settings.depths, {1, 4, 16, 64})) {
      for (const int count : Or(settings.connections, {1})) {
        CellPlan& plan = plans.emplace_back(Descriptors(
            settings, count, {{"batch", batch ? "on" : "off"}, {"depth", absl::StrCat(depth)}}));
        plan.load.depth = depth;
        plan.load.batch = batch;
        plan.cast = {.floors = {batch ? "floor_fdpass_batch" : "floor_fdpass"}};
      }
    }
  }
  return plans;
}

std::vector<CellPlan> PlanIdle(const Settings& settings) {
  std::vector<CellPlan> plans = Closed(settings, {100, 1000, 10000});
  for (CellPlan& plan : plans) {
    // Each connection asks once, so that it is where it would stay, and then nothing.
    plan.load.requests_max = static_cast<uint64_t>(plan.load.connections);
    plan.load.rate = 0;
    plan.idle = true;
    plan.alone = true;
  }
  return plans;
}

}  // namespace objmapper::bench
