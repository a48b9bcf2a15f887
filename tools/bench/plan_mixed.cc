// Two kinds of requests on the same server: descriptors and bytes that are in the page cache
// (mixed), and a hot connection beside bytes that have to come from the disk (cold).
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tools/bench/plans.h"

namespace objmapper::bench {

namespace {

constexpr uint64_t kCopyBytes = 100 << 10;
constexpr int kManyClients = 16;

CellPlan Mixed(const Settings& settings, int connections, uint64_t copy_bytes, int clients,
               const char* parameter, const char* value) {
  CellPlan plan = BasicPlan(settings);
  plan.load.first = Ask::kFdPass;
  plan.load.second = Ask::kCopy;
  plan.load.mix_ratio = settings.fdpass_ratio;
  plan.load.connections = connections;
  plan.load.client_threads = clients;
  plan.load.first_names = {"mixed_fd"};
  plan.load.second_names = {absl::StrCat("mixed_", copy_bytes)};
  plan.objects = {{"mixed_fd", 1024}, {plan.load.second_names[0], copy_bytes}};
  plan.parameters = {{"conns", absl::StrCat(connections)},
                     {"copy", SizeText(copy_bytes)},
                     {"client threads", absl::StrCat(clients)},
                     {parameter, value}};
  // No floor does both.
  plan.cast.models = {"mode_routing", "thread_per_request", "thread_pool", "epoll", "uring"};
  return plan;
}

// One client thread has one of a small machine's cores and is what bounds the fast contenders. Many
// are what a thousand connections come from: there the server's threads compete with theirs.
std::vector<int> ClientThreads(const Settings& settings, int connections) {
  if (settings.client_threads > 1 || connections < kManyClients) return {settings.client_threads};
  return {1, kManyClients};
}

LoadOptions HotConnection() {
  LoadOptions hot;
  hot.first = Ask::kFdPass;
  hot.first_names = {"hot"};
  hot.connections = 1;
  return hot;
}

CellPlan Cold(const Settings& settings, const char* reads, bool beside) {
  CellPlan plan = BasicPlan(settings);
  plan.parameters = {{"reads", reads}};
  if (beside) plan.parameters.emplace_back("beside", "a hot FDPASS connection");
  plan.objects = {{"hot", 1024}};
  plan.alone = true;
  plan.rounds_times = kJumpyRounds;
  plan.cast.models = {"mode_routing", "thread_per_connection", "thread_pool"};
  return plan;
}

void AddColdReads(const Settings& settings, bool beside, std::vector<CellPlan>& plans) {
  constexpr struct {
    const char* reads;  // what the report calls it
    int files;
    uint64_t bytes;
    int connections;
    int depth;
  } kShapes[] = {
      {"8 files of 64M at once", 8, 64 << 20, 8, 1},
      {"64 files of 1M on one pipelined connection", 64, 1 << 20, 1, 64},
  };
  for (const auto& shape : kShapes) {
    CellPlan& plan = plans.emplace_back(Cold(settings, shape.reads, beside));
    for (int i = 0; i < shape.files; ++i) {
      plan.load.first_names.push_back(absl::StrCat("cold_", shape.bytes, "_", i));
      plan.objects.push_back({plan.load.first_names.back(), shape.bytes});
    }
    plan.load.first = Ask::kCopy;
    plan.load.rate = 0;
    plan.load.connections = shape.connections;
    plan.load.depth = shape.depth;
    plan.load.requests_max = static_cast<uint64_t>(shape.files);  // each file once
    plan.cold = true;
    plan.fio = !beside && shape.connections > 1;
    if (beside) plan.beside = HotConnection();
  }
}

}  // namespace

std::vector<CellPlan> PlanMixed(const Settings& settings) {
  std::vector<CellPlan> plans;
  for (const int count : Or(settings.connections, {1000})) {
    for (const uint64_t size : Or<uint64_t>(settings.sizes, {kCopyBytes})) {
      for (const int clients : ClientThreads(settings, count)) {
        for (const bool per_connection : {false, true}) {
          CellPlan& plan =
              plans.emplace_back(Mixed(settings, count, size, clients, "mix",
                                       per_connection ? "by connection" : "by request"));
          plan.load.mix_per_connection = per_connection;
        }
        // Half load: FDPASS's own latency, with the copies and without them, at the same FDPASS
        // rate.
        for (const bool with_copies : {true, false}) {
          CellPlan& plan =
              plans.emplace_back(Mixed(settings, count, size, clients, "asked",
                                       with_copies ? "fdpass and copy" : "fdpass alone"));
          plan.parameters.emplace_back("rate", "half of the baseline's most");
          plan.load.mix_per_connection = true;
          plan.saturating = plan.load;
          plan.saturating.rate = 0;
          plan.rate_share = 0.5;
          plan.rounds_times = kJumpyRounds;
          if (with_copies) continue;
          plan.load.mix_ratio = 1;
          plan.load.second_names.clear();
          plan.load.connections = std::max(1, static_cast<int>(count * settings.fdpass_ratio));
          plan.rate_share *= settings.fdpass_ratio;
        }
      }
    }
  }
  return plans;
}

std::vector<CellPlan> PlanCold(const Settings& settings) {
  std::vector<CellPlan> plans;
  AddColdReads(settings, /*beside=*/false, plans);
  // The hot connection alone, then with the others.
  plans.push_back(Cold(settings, "none", /*beside=*/true));
  plans.back().load = HotConnection();
  AddColdReads(settings, /*beside=*/true, plans);
  return plans;
}

}  // namespace objmapper::bench
