// HTTP on our listeners (mode_routing_http), beside the same server asked in its own protocol
// (mode_routing) and other people's servers.
//
// The parameter "ask" says what a cell is about, and the report goes by it (report/http.cc).
#include <iterator>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "tools/bench/plans.h"

namespace objmapper::bench {

namespace {

constexpr char kHttp[] = "mode_routing_http";
const std::vector<std::string>& Peers() {
  static const auto* const kPeers = new std::vector<std::string>{"nginx", "lighttpd", "h2o"};
  return *kPeers;
}

// A cell that asks for one object over and over.
CellPlan HttpPlan(const Settings& settings, Ask ask, const char* name, const Shape& shape) {
  CellPlan plan = BytesPlan(settings, ask, shape);
  plan.parameters.insert(plan.parameters.begin(), {"ask", name});
  plan.parameters.emplace_back("size", SizeText(shape.size));
  if (plan.load.depth > 1) plan.parameters.emplace_back("depth", absl::StrCat(plan.load.depth));
  AddObjects(absl::StrCat("hot_", shape.size, "_"), 1, shape.size, plan);
  plan.cast.peers = Peers();
  return plan;
}

// Every size from few to many connections. COPY is the measure: what an answer costs beside its
// bytes.
void AddGets(const Settings& settings, std::vector<CellPlan>& plans) {
  for (const Shape& shape : Shapes(settings, Ask::kCopy, {2, 16, 100, 1000},
                                   {1 << 10, 10 << 10, 100 << 10, 1 << 20, 10 << 20})) {
    plans.push_back(HttpPlan(settings, Ask::kCopy, "GET", shape));
    plans.back().cast.models = {"mode_routing", kHttp};
    if (!settings.other_server.empty()) plans.back().cast.models.push_back("other_build_http");
  }
}

// Answers without a body: what the head costs.
void AddHeads(const Settings& settings, Ask ask, const char* name, std::vector<CellPlan>& plans) {
  for (const Shape& shape : Shapes(settings, ask, {16, 100}, {1 << 10})) {
    plans.push_back(HttpPlan(settings, ask, name, shape));
    plans.back().cast.models = {kHttp};
    plans.back().lap = absl::ZeroDuration();
  }
}

// The same server twice: asked one request at a time, and 16.
void AddPipelined(const Settings& settings, std::vector<CellPlan>& plans) {
  Settings shallow = settings;
  shallow.depths.clear();
  for (const Shape& shape : Shapes(settings, Ask::kCopy, {2, 16}, {1 << 10})) {
    plans.push_back(HttpPlan(shallow, Ask::kCopy, "GET, 1 and 16 deep", shape));
    plans.back().cast = {.models = {kHttp, "mode_routing_http_16"}};
  }
}

// Objects stored over those that are there; nothing waits for the disk. The others have no PUT, or
// in a package of its own.
void AddPuts(const Settings& settings, std::vector<CellPlan>& plans) {
  for (const Shape& shape : Shapes(settings, Ask::kPut, {16}, {1 << 10, 100 << 10, 1 << 20})) {
    CellPlan& plan = plans.emplace_back(BytesPlan(settings, Ask::kPut, shape));
    plan.parameters.insert(plan.parameters.begin(), {"ask", "PUT"});
    plan.parameters.emplace_back("size", SizeText(shape.size));
    plan.load.stored_bytes = shape.size;
    plan.objects = {{"ready", 1}};  // what a server is asked for first, to see that it serves
    AddObjects(absl::StrCat("stored_", shape.size, "_"), StoredNames(shape.size), shape.size, plan);
    plan.extra_flags = {"--writable", "--durability=none", "--memory_limit=0"};
    plan.cast = {.models = {"mode_routing", kHttp}, .peers = {"nginx"}};
  }
}

// Each connection asks once, and then nothing.
void AddIdle(const Settings& settings, std::vector<CellPlan>& plans) {
  for (const Shape& shape : Shapes(settings, Ask::kCopy, {10'000}, {1 << 10})) {
    CellPlan& plan = plans.emplace_back(HttpPlan(settings, Ask::kCopy, "idle", shape));
    plan.load.requests_max = static_cast<uint64_t>(shape.connections);
    plan.load.rate = 0;
    plan.lap = absl::ZeroDuration();
    plan.idle = true;
    plan.alone = true;
    plan.cast.models = {"mode_routing", kHttp};
  }
}

// A small, a middling and a large object; each cell once for each generator.
std::vector<CellPlan> CrossCheck(const Settings& settings) {
  // What the programs can do.
  Settings over_tcp = settings;
  over_tcp.transports = {Transport::kTcp};
  over_tcp.depths.clear();
  over_tcp.requests_per_conn = 0;
  over_tcp.rate = 0;
  std::vector<CellPlan> plans;
  for (const Shape& shape :
       Shapes(over_tcp, Ask::kCopy, {16, 100}, {1 << 10, 100 << 10, 1 << 20})) {
    for (const Generator by : {Generator::kOwn, Generator::kWrk, Generator::kH2load}) {
      CellPlan& plan = plans.emplace_back(HttpPlan(over_tcp, Ask::kCopy, "GET", shape));
      plan.parameters.emplace_back("by", NameOf(by));
      plan.generator = by;
      plan.cast.models = {kHttp};
      // There is nothing to check without others.
      if (settings.peer_names.empty()) absl::c_copy(Peers(), std::back_inserter(plan.cast.models));
    }
  }
  return plans;
}

}  // namespace

std::vector<CellPlan> PlanHttp(const Settings& settings) {
  if (settings.cross_check) return CrossCheck(settings);
  const auto wanted = [&](const char* ask) {
    return absl::c_linear_search(Or(settings.asks, HttpAsks()), ask);
  };
  std::vector<CellPlan> plans;
  if (wanted("get")) AddGets(settings, plans);
  if (wanted("head")) AddHeads(settings, Ask::kHead, "HEAD", plans);
  if (wanted("304")) AddHeads(settings, Ask::kRevalidate, "304", plans);
  if (wanted("pipeline")) AddPipelined(settings, plans);
  if (wanted("put")) AddPuts(settings, plans);
  if (wanted("idle")) AddIdle(settings, plans);
  return plans;
}

}  // namespace objmapper::bench
