// Writes all figures as JSON. Names are an interface: the status page and `objmapper top` read
// them.
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "protocol/status.h"
#include "server/admin/figures.h"
#include "server/admin/pages.h"
#include "text/printable.h"
#include "text/version.h"

namespace objmapper::server {
namespace {

using Json = nlohmann::ordered_json;

double Microseconds(int64_t ns) { return static_cast<double>(ns) / 1e3; }

Json Milliseconds(absl::Duration time) {
  if (time <= absl::ZeroDuration() || time == absl::InfiniteDuration()) return nullptr;
  return absl::ToInt64Milliseconds(time);
}

// Adds the figures that have a key.
template <typename Counts, size_t kFigures>
void Add(const Counts& counts, const Figure<Counts> (&figures)[kFigures], Json* json) {
  for (const Figure<Counts>& figure : figures) {
    if (figure.key != nullptr) (*json)[figure.key] = counts.*figure.value;
  }
}

template <typename Counts, size_t kFigures>
Json Object(const Counts& counts, const Figure<Counts> (&figures)[kFigures]) {
  Json json = Json::object();
  Add(counts, figures, &json);
  return json;
}

Json Totals(const Vitals& vitals) {
  Json modes = Json::object();
  for (size_t w = 0; w < session::kWays; ++w) {
    const session::TallySnapshot::PerWay& way = vitals.tally.ways[w];
    Json errors = Json::object();
    for (size_t s = 1; s < session::kStatuses; ++s) {
      if (way.by_status[s] == 0) continue;
      const absl::string_view name = protocol::StatusName(static_cast<protocol::Status>(s));
      errors[absl::AsciiStrToLower(name)] = way.by_status[s];
    }
    modes[NameOf(static_cast<session::Way>(w))] = {
        {"requests", way.requests()},
        {"errors", std::move(errors)},
        {"object_bytes", way.bytes},
        {"p50_us", Microseconds(way.service.Quantile(0.5))},
        {"p99_us", Microseconds(way.service.Quantile(0.99))},
        {"p999_us", Microseconds(way.service.Quantile(0.999))},
    };
  }
  Json dialects = Json::object();  // answers
  for (size_t d = 1; d < session::kDialects; ++d)
    dialects[session::NameOf(static_cast<protocol::Dialect>(d))] = vitals.tally.by_dialect[d];
  Json lanes = Json::object();
  for (const session::TallySnapshot::PerLane& lane : vitals.tally.lanes) {
    Json& one = lanes[lane.name];
    one = {{"threads", lane.threads},
           {"busy_s", static_cast<double>(lane.busy_ns) / 1e9},
           {"taken_up", lane.taken_up},
           {"wait_p99_us", Microseconds(lane.wait.Quantile(0.99))}};
    for (const Vitals::Lane& more : vitals.lanes) {
      if (more.name != lane.name) continue;
      one["engine"] = more.engine;
      Add(more, kLaneFigures, &one);
    }
  }
  Json connections = Object(vitals, kConnectionFigures);
  // How many ended after 0, 1, up to 10, up to 100, ... answers.
  connections["ended_by_answers"] = vitals.ended_by_answers;
  Json objects = Json::object();
  if (vitals.objects.has_value()) {
    objects["complete"] = vitals.objects->complete;
    Add(*vitals.objects, kObjectFigures, &objects);
  }
  Json rules;  // null: there is no --rules_file
  if (vitals.rules.has_value()) {
    rules = {{"count", vitals.rules->count},
             {"read_unix_s", vitals.rules->read_unix_s},
             {"reloads", vitals.rules->reloads},
             {"reloads_failed", vitals.rules->reloads_failed},
             {"error", vitals.rules->error}};  // empty: the last reload did not fail
  }
  Json origins;  // null: there are none
  if (vitals.origins.has_value()) {
    origins = Object(*vitals.origins, kOriginFigures);
    Add(vitals.origins->flights, kFlightFigures, &origins);
    Json each = Json::array();
    for (const origin::Flights::Report& report : vitals.origins->each) {
      const AccountCounts& counts = report.counts;
      Json one = {{"prefix", absl::StrCat("/", text::Printable(report.origin->prefix))},
                  {"url", report.origin->Url()},
                  {"ok", counts.over || counts.trouble.empty()},
                  {"trouble", text::Printable(counts.trouble)},
                  {"hits", counts.hits()}};
      Add(counts, kAccountFigures, &one);
      Add(report, kReportFigures, &one);
      uint64_t retries = 0;
      for (const uint64_t n : counts.retries) retries += n;
      one["retries"] = retries;
      // null: longer than what is told apart, or there were none
      one["p50_ms"] = Milliseconds(counts.delays.Quantile(0.5));
      one["p99_ms"] = Milliseconds(counts.delays.Quantile(0.99));
      each.push_back(std::move(one));
    }
    origins["each"] = std::move(each);
    Add(vitals.origins->uncached, kUncachedFigures, &origins);
    origins["reloads"] = vitals.origins->reloads;
    origins["reloads_failed"] = vitals.origins->reloads_failed;
    origins["error"] = vitals.origins->error;  // empty: the last reload did not fail
  }
  Json process = {{"cpu_user_s", vitals.process.cpu_user_s},
                  {"cpu_system_s", vitals.process.cpu_system_s}};
  Add(vitals.process, kProcessFigures, &process);
  process["start_unix_s"] = vitals.process.start_s;
  return {
      {"modes", std::move(modes)},
      {"dialects", std::move(dialects)},
      {"lanes", std::move(lanes)},
      {"connections", std::move(connections)},
      // null: it does not listen there
      {"udp", vitals.udp.has_value() ? Object(*vitals.udp, kUdpFigures) : Json()},
      {"index", Object(vitals, kIndexFigures)},
      {"objects", std::move(objects)},  // empty without a catalog
      // empty without a memory tier
      {"memory",
       vitals.memory.has_value() ? Object(*vitals.memory, kMemoryFigures) : Json::object()},
      // the root's file system; empty: not known
      {"disk", vitals.disk_bytes != 0 ? Object(vitals, kDiskFigures) : Json::object()},
      {"rules", std::move(rules)},
      {"origins", std::move(origins)},
      {"process", std::move(process)},
  };
}

}  // namespace

std::string ToJson(const Vitals& vitals, const std::vector<History::Point>& history) {
  Json json = {{"shape", vitals.shape},
               {"state", vitals.draining ? "draining" : "serving"},
               {"version", std::string(text::kVersion)},
               {"host", vitals.host},
               {"root", vitals.root},
               {"writable", vitals.writable},
               {"totals", Totals(vitals)},
               {"now", history.empty() ? Json() : history.back()},
               {"history", history}};
  // The shape names a folder, whose name may be no UTF-8.
  return json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

}  // namespace objmapper::server
