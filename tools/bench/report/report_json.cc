// Errors name the place, as a JSON pointer: cells/0/series/1.
#define JSON_DIAGNOSTICS 1
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "tools/bench/report/report.h"

namespace objmapper::bench {

void to_json(nlohmann::json& json, Kind kind) { json = NameOf(kind); }

void from_json(const nlohmann::json& json, Kind& kind) {
  for (const Kind one : {Kind::kModel, Kind::kFloor, Kind::kPeer}) {
    kind = one;
    if (json.get<std::string>() == NameOf(one)) return;
  }
  throw nlohmann::json::type_error::create(
      302, absl::StrCat("\"", json.get<std::string>(), "\" is no kind of contender"), &json);
}

// Each struct's fields once, for both directions. A missing or mistyped field throws, inside
// FromJson(), which turns that into a Status.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Sample, seconds, requests, bytes, errors, p50_us, p99_us,
                                   p999_us, server_cpu_s, client_cpu_s, rss_bytes, rss_before_bytes,
                                   threads, behind, starved)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Series, contender, kind, command, missing, samples)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Cell, workload, parameters, baseline, series, warnings)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Machine, kernel, cpu, os, cores, memory_bytes, slowest_core)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Report, date, command, version, machine, rounds,
                                   seconds_per_round, cells)

std::string ToJson(const Report& report) {
  // A contender's command or message may hold bytes that are no UTF-8; they are replaced, not
  // thrown at.
  return nlohmann::json(report).dump(1, ' ', /*ensure_ascii=*/false,
                                     nlohmann::json::error_handler_t::replace);
}

absl::StatusOr<Report> FromJson(const std::string& json) {
  try {
    return nlohmann::json::parse(json).get<Report>();
  } catch (const nlohmann::json::exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a report of the benchmarks: ", error.what()));
  }
}

}  // namespace objmapper::bench
