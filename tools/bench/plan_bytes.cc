// Workloads of objects of one size: read from the page cache (copy, splice, sets), and stored over
// those that are there (put).
#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "tools/bench/plans.h"

namespace objmapper::bench {

namespace {

constexpr uint64_t kMebibyte = 1 << 20;

}  // namespace

std::vector<Shape> Shapes(const Settings& settings, Ask ask, std::vector<int> connections,
                          std::vector<uint64_t> sizes, const std::vector<int>& objects) {
  const bool passes_fd = ask == Ask::kFdPass || ask == Ask::kPutFd;
  std::vector<Shape> shapes;
  for (const Transport transport : settings.transports) {
    if (passes_fd && transport != Transport::kUnix) continue;
    for (const int connection_count : Or(settings.connections, connections)) {
      for (const int object_count : objects) {
        for (const uint64_t size : Or(settings.sizes, sizes)) {
          shapes.push_back({transport, connection_count, object_count, size});
        }
      }
    }
  }
  return shapes;
}

CellPlan BytesPlan(const Settings& settings, Ask ask, const Shape& shape) {
  CellPlan plan = BasicPlan(settings);
  plan.transport = shape.transport;
  plan.load.first = ask;
  plan.load.connections = shape.connections;
  // At 1 GB/s.
  plan.lap = absl::Nanoseconds(static_cast<int64_t>(shape.size * shape.connections));
  if (!settings.depths.empty()) plan.load.depth = settings.depths.front();
  plan.parameters = {{"transport", shape.transport == Transport::kUnix ? "unix" : "tcp"},
                     {"conns", absl::StrCat(shape.connections)}};
  return plan;
}

void AddObjects(const std::string& prefix, uint64_t count, uint64_t size, CellPlan& plan) {
  for (uint64_t i = 0; i < count; ++i) {
    plan.load.first_names.push_back(absl::StrCat(prefix, i));
    plan.objects.push_back({plan.load.first_names.back(), size});
  }
}

uint64_t StoredNames(uint64_t size) {
  constexpr uint64_t kNames = 64;
  constexpr uint64_t kBytesAll = 160 * kMebibyte;
  return std::clamp<uint64_t>(kBytesAll / size, 1, kNames);
}

namespace {

std::vector<CellPlan> Bodies(const Settings& settings, Ask ask, const Cast& cast) {
  std::vector<CellPlan> plans;
  for (const Shape& shape : Shapes(settings, ask, {16, 100},
                                   {1 << 10, 10 << 10, 100 << 10, kMebibyte, 10 * kMebibyte})) {
    CellPlan& plan = plans.emplace_back(BytesPlan(settings, ask, shape));
    plan.parameters.emplace_back("size", SizeText(shape.size));
    AddObjects(absl::StrCat("hot_", shape.size, "_"), 1, shape.size, plan);
    plan.cast = cast;
  }
  return plans;
}

}  // namespace

std::vector<CellPlan> PlanCopy(const Settings& settings) {
  return Bodies(settings, Ask::kCopy,
                {.floors = {"floor_copy_buffer", "floor_copy_map"},
                 .peers = {"nginx", "lighttpd", "h2o", "redis", "memcached"}});
}

std::vector<CellPlan> PlanSplice(const Settings& settings) {
  return Bodies(
      settings, Ask::kSplice,
      {.floors = {"floor_splice", "floor_sendfile"}, .peers = {"nginx", "lighttpd", "h2o"}});
}

// Bytes by PUT, and sealed memfds by PUT_FD.
std::vector<CellPlan> PlanPut(const Settings& settings) {
  constexpr struct {
    const char* name;  // what the report calls it
    Ask ask;
    absl::string_view durability;  // --durability
    const char* memory;            // --memory_limit
    bool others;  // whether what others do is comparable: nothing waits for the disk
  } kWays[] = {
      {"PUT", Ask::kPut, "none", "0", true},
      {"PUT, on the disk before its answer", Ask::kPut, "data", "0", false},
      {"PUT_FD, copied to a file", Ask::kPutFd, "none", "0", false},
      {"PUT_FD, adopted in memory", Ask::kPutFd, "none", "1G", false},
  };
  std::vector<CellPlan> plans;
  for (const auto& way : kWays) {
    for (const Shape& shape : Shapes(settings, way.ask, {16},
                                     {1 << 10, 10 << 10, 100 << 10, kMebibyte, 10 * kMebibyte})) {
      CellPlan& plan = plans.emplace_back(BytesPlan(settings, way.ask, shape));
      plan.parameters.insert(plan.parameters.begin(), {"way", way.name});
      plan.parameters.emplace_back("size", SizeText(shape.size));
      plan.load.stored_bytes = shape.size;
      if (way.durability != "none") plan.lap *= 10;  // a disk is slower than memory
      // What a server is asked for first, to see that it serves: what is stored into the memory of
      // one is gone from the disk for the next.
      plan.objects = {{"ready", 1}};
      AddObjects(absl::StrCat("stored_", shape.size, "_"), StoredNames(shape.size), shape.size,
                 plan);
      plan.extra_flags = {"--writable", absl::StrCat("--durability=", way.durability),
                          absl::StrCat("--memory_limit=", way.memory)};
      plan.cp = way.others;
      plan.cast.models = {"mode_routing", "epoll", "thread_pool"};
      if (way.others) plan.cast.peers = {"redis", "memcached"};
    }
  }
  return plans;
}

// Working sets: many objects in turn, of sizes on both sides of every bound that the server has
// (how small ones are kept, how large ones are moved), so that a cliff shows: a size whose
// neighbours cost much less, or a number of objects from which on each one costs much more.
std::vector<CellPlan> PlanSets(const Settings& settings) {
  // What is on the disk, and so in the page cache, for each size: what is more are names for the
  // same files, which servers that keep objects by their names cannot tell from files of their own.
  constexpr uint64_t kBytesOfFiles = uint64_t{1} << 30;
  // One below and one above: 16 KiB, 24 KiB, 64 KiB, 256 KiB, 512 KiB, 2 MiB.
  static const std::vector<uint64_t> kSizes = {
      1 << 10,        4 << 10,         (16 << 10) - 1,  (16 << 10) + 1,  (24 << 10) - 1,
      (24 << 10) + 1, 32 << 10,        48 << 10,        (64 << 10) - 1,  (64 << 10) + 1,
      100 << 10,      (256 << 10) - 1, (256 << 10) + 1, (512 << 10) + 1, 1 << 20,
      (2 << 20) + 1,  10 << 20};
  std::vector<CellPlan> plans;
  for (const auto& [mode, ask] :
       {std::pair("fdpass", Ask::kFdPass), {"copy", Ask::kCopy}, {"splice", Ask::kSplice}}) {
    if (!absl::c_linear_search(settings.modes, mode)) continue;
    for (const Shape& shape : Shapes(settings, ask, {16}, kSizes,
                                     Or(settings.object_counts, {100, 1000, 10'000, 100'000}))) {
      CellPlan& plan = plans.emplace_back(BytesPlan(settings, ask, shape));
      plan.parameters.insert(plan.parameters.begin(), {"mode", mode});
      plan.parameters.emplace_back("objects", absl::StrCat(shape.objects));
      plan.parameters.emplace_back("size", absl::StrCat(shape.size));
      plan.folder = absl::StrCat("set_", shape.size, "_", shape.objects);
      plan.files_max = std::clamp<uint64_t>(kBytesOfFiles / shape.size, 1, shape.objects);
      AddObjects("o", shape.objects, shape.size, plan);
      plan.cast = {.models = {"mode_routing"}, .peers = {"nginx", "lighttpd", "h2o"}};
    }
  }
  return plans;
}

}  // namespace objmapper::bench
