// Formats /stats as text. A missing field is an error that names it, since the server may be of
// another version.
#include "tools/cli/top_text.h"

#include <exception>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/cli/progress.h"

namespace objmapper::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kDepthMax = 32;  // they have 6

// Runs `show` on the parsed stats; what it finds missing is an error, not an end.
template <typename Show>
absl::StatusOr<std::string> Shown(absl::string_view stats, Show show) {
  // dump() and the like take the stack for each level.
  const auto not_too_deep = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kDepthMax) throw std::length_error("they are nested too deeply");
    return true;
  };
  try {
    return show(Json::parse(stats.begin(), stats.end(), not_too_deep));
  } catch (const std::exception& error) {
    return absl::DataLossError(
        absl::StrCat("these are not the figures of an objmapper server: ", error.what()));
  }
}

std::string Bytes(const Json& value) { return FormatBytes(value.get<uint64_t>()); }

std::string Head(const Json& stats) {
  const Json& totals = stats.at("totals");
  const Json& connections = totals.at("connections");
  const Json& process = totals.at("process");
  const Json& now = stats.at("now");
  std::string text = absl::StrCat(stats.at("state").get<std::string>(), ": ",
                                  stats.at("shape").get<std::string>(), "\n");
  absl::StrAppend(&text, "connections ", connections.at("open").get<uint64_t>(), " open (",
                  connections.at("hot").get<uint64_t>(), " hot) of ",
                  connections.at("max").get<uint64_t>(), "; ",
                  connections.at("accepted").get<uint64_t>(), " accepted, ",
                  connections.at("refused").get<uint64_t>(), " refused, ",
                  connections.at("timed_out").get<uint64_t>(), " timed out, ",
                  connections.at("migrated").get<uint64_t>(), " moved between lanes\n");
  absl::StrAppendFormat(&text, "process %s, %d threads, %d descriptors of %d",
                        Bytes(process.at("rss_bytes")), process.at("threads").get<uint64_t>(),
                        process.at("open_fds").get<uint64_t>(),
                        process.at("max_fds").get<uint64_t>());
  if (!now.is_null())
    absl::StrAppendFormat(&text, ", %.2f cores", now.at("cpu_cores").get<double>());
  return text + "\n";
}

std::string Latencies(const Json& mode) {
  return absl::StrFormat("%10.1f %10.1f %10.1f", mode.at("p50_us").get<double>(),
                         mode.at("p99_us").get<double>(), mode.at("p999_us").get<double>());
}

std::string Now(const Json& stats) {
  std::string text = Head(stats);
  const Json& now = stats.at("now");
  if (now.is_null()) return text + "\nno figures yet: less than a second has passed\n";
  absl::StrAppendFormat(&text, "\n%-10s %12s %10s %10s %12s %10s %10s %10s\n", "mode", "requests/s",
                        "misses/s", "errors/s", "objects/s", "p50 us", "p99 us", "p999 us");
  for (const auto& [name, mode] : now.at("modes").items()) {
    absl::StrAppendFormat(
        &text, "%-10s %12.0f %10.0f %10.0f %12s %s\n", name,
        mode.at("requests_per_s").get<double>(), mode.value("misses_per_s", 0.0),
        mode.at("errors_per_s").get<double>(),
        FormatBytes(static_cast<uint64_t>(mode.at("object_bytes_per_s").get<double>())),
        Latencies(mode));
  }
  absl::StrAppendFormat(&text, "\n%-10s %12s %10s %12s\n", "lane", "busy", "threads", "queue");
  const Json& lanes = stats.at("totals").at("lanes");
  for (const auto& [name, lane] : now.at("lanes").items()) {
    absl::StrAppendFormat(
        &text, "%-10s %12.2f %10d %12d\n", name, lane.at("busy_threads").get<double>(),
        lanes.at(name).at("threads").get<uint64_t>(), lane.at("queue_depth").get<uint64_t>());
  }
  return text;
}

std::string Totals(const Json& stats) {
  std::string text = Head(stats);
  absl::StrAppendFormat(&text, "\n%-10s %14s %10s %10s %12s %10s %10s %10s\n", "mode", "requests",
                        "misses", "errors", "objects", "p50 us", "p99 us", "p999 us");
  for (const auto& [name, mode] : stats.at("totals").at("modes").items()) {
    // That there is no such object is an answer, as everywhere.
    uint64_t errors = 0, misses = 0;
    for (const auto& [status, count] : mode.at("errors").items()) {
      (status == "not_found" ? misses : errors) += count.get<uint64_t>();
    }
    absl::StrAppendFormat(&text, "%-10s %14d %10d %10d %12s %s\n", name,
                          mode.at("requests").get<uint64_t>(), misses, errors,
                          Bytes(mode.at("object_bytes")), Latencies(mode));
  }
  return text;
}

}  // namespace

absl::StatusOr<std::string> TopText(absl::string_view stats) { return Shown(stats, Now); }

absl::StatusOr<std::string> TotalsText(absl::string_view stats) { return Shown(stats, Totals); }

absl::StatusOr<std::string> StatsLine(absl::string_view stats) {
  return Shown(stats, [](Json json) {
    json.at("totals");
    json.erase("history");
    return json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  });
}

}  // namespace objmapper::tools
