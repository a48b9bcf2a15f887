// Descriptors and bytes on the same server.
#include "absl/strings/str_cat.h"
#include "tools/bench/cast.h"
#include "tools/bench/size_text.h"

namespace objmapper::bench {

namespace {

constexpr uint64_t kCopyBytes = 100 << 10;
constexpr int kManyClients = 16;

CellPlan Mixed(const Settings& settings, int connections, uint64_t copy_bytes, bool per_connection,
               int clients) {
  CellPlan plan = BasicPlan("mixed", settings);
  plan.load.first = Ask::kFdPass;
  plan.load.second = Ask::kCopy;
  plan.load.mix_ratio = settings.fdpass_ratio;
  plan.load.mix_per_connection = per_connection;
  plan.load.connections = connections;
  plan.load.client_threads = clients;
  plan.load.first_names = {"mixed_fd"};
  plan.load.second_names = {absl::StrCat("mixed_", copy_bytes)};
  plan.objects = {{"mixed_fd", 1024}, {plan.load.second_names[0], copy_bytes}};
  plan.parameters = {{"conns", absl::StrCat(connections)},
                     {"copy", SizeText(copy_bytes)},
                     {"client threads", absl::StrCat(clients)}};
  return plan;
}

// No floor does both.
DefaultCast Cast() {
  return {.models = {"mode_routing", "thread_per_request", "thread_pool", "epoll", "uring"}};
}

// One client thread has one of a small machine's cores and is what bounds the fast contenders. Many
// are what a thousand connections come from: there the server's threads compete with theirs.
std::vector<int> ClientThreads(const Settings& settings, int connections) {
  if (settings.client_threads > 1 || connections < kManyClients) return {settings.client_threads};
  return {1, kManyClients};
}

}  // namespace

std::vector<CellPlan> PlanMixed(const Settings& settings) {
  std::vector<CellPlan> plans;
  const auto add = [&](CellPlan plan) {
    ChooseCast(settings, Cast(), plan);
    plans.push_back(std::move(plan));
  };
  for (const int count : Or(settings.connections, {1000})) {
    for (const uint64_t size : Or<uint64_t>(settings.sizes, {kCopyBytes})) {
      for (const int clients : ClientThreads(settings, count)) {
        for (const bool per_connection : {false, true}) {
          CellPlan plan = Mixed(settings, count, size, per_connection, clients);
          plan.parameters.emplace_back("mix", per_connection ? "by connection" : "by request");
          add(std::move(plan));
        }
        // Half load: FDPASS's own latency, with the copies and without them, at the same FDPASS
        // rate.
        for (const bool with_copies : {true, false}) {
          CellPlan plan = Mixed(settings, count, size, /*per_connection=*/true, clients);
          plan.saturating = plan.load;
          plan.saturating.rate = 0;
          plan.rate_share = 0.5;
          plan.rounds_times = kJumpyRounds;
          if (!with_copies) {
            plan.load.mix_ratio = 1;
            plan.load.second_names.clear();
            plan.load.connections = std::max(1, static_cast<int>(count * settings.fdpass_ratio));
            plan.rate_share *= settings.fdpass_ratio;
          }
          plan.parameters.emplace_back("asked", with_copies ? "fdpass and copy" : "fdpass alone");
          plan.parameters.emplace_back("rate", "half of the baseline's most");
          add(std::move(plan));
        }
      }
    }
  }
  return plans;
}

}  // namespace objmapper::bench
