// Working sets: many objects in turn, of sizes on both sides of every bound that the server has
// (how small ones are kept, how large ones are moved), so that a cliff shows: a size whose
// neighbours cost much less, or a number of objects from which on each one costs much more.
#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "tools/bench/cast.h"
#include "tools/bench/size_text.h"

namespace objmapper::bench {

namespace {

// What is on the disk, and so in the page cache, for each size: what is more are names for the same
// files, which servers that keep objects by their names cannot tell from files of their own.
constexpr uint64_t kBytesOfFiles = uint64_t{1} << 30;
constexpr int kConnections = 16;

struct Way {
  const char* name;
  Ask ask;
};
constexpr Way kWays[] = {{"fdpass", Ask::kFdPass}, {"copy", Ask::kCopy}, {"splice", Ask::kSplice}};

// One below and one above: 16 KiB, 24 KiB, 64 KiB, 256 KiB, 512 KiB, 2 MiB.
constexpr uint64_t kSizes[] = {1 << 10,         4 << 10,         (16 << 10) - 1, (16 << 10) + 1,
                               (24 << 10) - 1,  (24 << 10) + 1,  32 << 10,       48 << 10,
                               (64 << 10) - 1,  (64 << 10) + 1,  100 << 10,      (256 << 10) - 1,
                               (256 << 10) + 1, (512 << 10) + 1, 1 << 20,        (2 << 20) + 1,
                               10 << 20};

CellPlan Set(const Way& way, Transport transport, int connections, uint64_t size, int count,
             const Settings& settings) {
  CellPlan plan = BasicPlan("sets", settings);
  plan.transport = transport;
  plan.parameters = {{"mode", way.name},
                     {"transport", transport == Transport::kUnix ? "unix" : "tcp"},
                     {"conns", absl::StrCat(connections)},
                     {"objects", absl::StrCat(count)},
                     {"size", absl::StrCat(size)}};
  plan.load.first = way.ask;
  plan.load.connections = connections;
  plan.lap = LapOf(connections, size);
  if (!settings.depths.empty()) plan.load.depth = settings.depths.front();
  plan.folder = absl::StrCat("set_", size, "_", count);
  plan.files_max = std::max<uint64_t>(1, std::min<uint64_t>(count, kBytesOfFiles / size));
  for (int i = 0; i < count; ++i) {
    plan.load.first_names.push_back(absl::StrCat("o", i));
    plan.objects.push_back({plan.load.first_names.back(), size});
  }
  ChooseCast(settings, {.models = {"mode_routing"}, .peers = {"nginx", "lighttpd", "h2o"}}, plan);
  return plan;
}

}  // namespace

std::vector<CellPlan> PlanSets(const Settings& settings) {
  std::vector<CellPlan> plans;
  for (const Way& way : kWays) {
    if (!absl::c_linear_search(settings.modes, way.name)) continue;
    for (const Transport transport : settings.transports) {
      if (way.ask == Ask::kFdPass && transport != Transport::kUnix) continue;
      for (const int connections : Or(settings.connections, {kConnections})) {
        for (const int count : Or(settings.object_counts, {100, 1000, 10'000, 100'000})) {
          for (const uint64_t size :
               Or<uint64_t>(settings.sizes, {std::begin(kSizes), std::end(kSizes)})) {
            plans.push_back(Set(way, transport, connections, size, count, settings));
          }
        }
      }
    }
  }
  return plans;
}

}  // namespace objmapper::bench
