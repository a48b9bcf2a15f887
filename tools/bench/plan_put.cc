// Storing objects: bytes by PUT, and sealed memfds by PUT_FD, over those that are there.
#include "absl/strings/str_cat.h"
#include "tools/bench/cast.h"
#include "tools/bench/size_text.h"

namespace objmapper::bench {

namespace {

constexpr uint64_t kMebibyte = 1 << 20;
// So many names are stored in turn; fewer of the large ones, to stay in the page cache.
constexpr uint64_t kNames = 64;
constexpr uint64_t kBytesAll = 160 * kMebibyte;

struct Way {
  const char* name;  // what the report calls it
  Ask ask;
  const char* durability;  // --durability
  const char* memory;      // --memory_limit
  bool others;             // whether what others do is comparable: nothing waits for the disk
};

constexpr Way kWays[] = {
    {"PUT", Ask::kPut, "none", "0", true},
    {"PUT, on the disk before its answer", Ask::kPut, "data", "0", false},
    {"PUT_FD, copied to a file", Ask::kPutFd, "none", "0", false},
    {"PUT_FD, adopted in memory", Ask::kPutFd, "none", "1G", false},
};

CellPlan Storing(const Way& way, Transport transport, int connections, uint64_t size,
                 const Settings& settings) {
  CellPlan plan = BasicPlan("put", settings);
  plan.transport = transport;
  plan.parameters = {{"way", way.name},
                     {"transport", transport == Transport::kUnix ? "unix" : "tcp"},
                     {"conns", absl::StrCat(connections)},
                     {"size", SizeText(size)}};
  plan.load.first = way.ask;
  plan.load.stored_bytes = size;
  plan.load.connections = connections;
  // A disk is slower than memory.
  plan.lap = (std::string(way.durability) == "none" ? 1 : 10) * LapOf(connections, size);
  if (!settings.depths.empty()) plan.load.depth = settings.depths.front();
  // What a server is asked for first, to see that it serves: what is stored into the memory of one
  // is gone from the disk for the next.
  plan.objects = {{"ready", 1}};
  const uint64_t names = std::max<uint64_t>(1, std::min(kNames, kBytesAll / size));
  for (uint64_t i = 0; i < names; ++i) {
    const std::string name = absl::StrCat("stored_", size, "_", i);
    plan.load.first_names.push_back(name);
    plan.objects.push_back({name, size});
  }
  plan.extra_flags = {"--writable", absl::StrCat("--durability=", way.durability),
                      absl::StrCat("--memory_limit=", way.memory)};
  plan.cp = way.others;
  DefaultCast cast{.models = {"mode_routing", "epoll", "thread_pool"}};
  if (way.others) cast.peers = {"redis", "memcached"};
  ChooseCast(settings, cast, plan);
  return plan;
}

}  // namespace

std::vector<CellPlan> PlanPut(const Settings& settings) {
  std::vector<CellPlan> plans;
  for (const Way& way : kWays) {
    for (const Transport transport : settings.transports) {
      if (way.ask == Ask::kPutFd && transport != Transport::kUnix) continue;
      for (const int connections : Or(settings.connections, {16})) {
        for (const uint64_t size : Or<uint64_t>(
                 settings.sizes, {1 << 10, 10 << 10, 100 << 10, kMebibyte, 10 * kMebibyte})) {
          plans.push_back(Storing(way, transport, connections, size, settings));
        }
      }
    }
  }
  return plans;
}

}  // namespace objmapper::bench
