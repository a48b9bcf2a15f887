#include "tools/bench/report/html_charts.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_replace.h"
#include "tools/bench/report/measure.h"

namespace objmapper::bench {

namespace {

struct Drawn {
  const char* id;
  Measure measure;
};

constexpr Drawn kDrawn[] = {
    {"rps", Measure::kRequestsPerSecond},
    {"gbps", Measure::kGbPerSecond},
    {"p50", Measure::kP50Us},
    {"p99", Measure::kP99Us},
    {"p999", Measure::kP999Us},
    {"cpu", Measure::kServerCpuUs},
    {"cpu_gb", Measure::kServerCpuPerGb},
    {"client", Measure::kClientCpuUs},
    {"rss", Measure::kRssMib},
    {"rss_conn", Measure::kRssPerConnection},
    {"threads", Measure::kThreads},
};

const char* KindName(Kind kind) {
  return kind == Kind::kFloor ? "floor" : kind == Kind::kPeer ? "peer" : "model";
}

nlohmann::json ValuesOf(const Cell& cell, const Series& series) {
  nlohmann::json values = nlohmann::json::object();
  for (const Drawn& drawn : kDrawn) {
    if (const auto spread = SpreadOver(drawn.measure, cell, series)) {
      values[drawn.id] = {spread->median, spread->low, spread->high};
    }
  }
  return values;
}

}  // namespace

std::string ChartData(const Report& report, const std::string& subject) {
  nlohmann::json data = {{"subject", subject}, {"cells", nlohmann::json::array()}};
  for (const Drawn& drawn : kDrawn) data["measures"][drawn.id] = NameOf(drawn.measure);
  for (const Cell& cell : report.cells) {
    nlohmann::json shown = {{"workload", cell.workload},
                            {"parameters", cell.parameters},
                            {"series", nlohmann::json::array()}};
    for (const Drawn& drawn : kDrawn) {
      if (drawn.measure == HeadlineOf(cell)) shown["headline"] = drawn.id;
    }
    for (const Series& series : cell.series) {
      if (series.samples.empty()) continue;
      shown["series"].push_back({{"name", series.contender},
                                 {"kind", KindName(series.kind)},
                                 {"values", ValuesOf(cell, series)}});
    }
    data["cells"].push_back(std::move(shown));
  }
  return absl::StrReplaceAll(
      data.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace),
      {{"<", "\\u003c"}});
}

}  // namespace objmapper::bench
