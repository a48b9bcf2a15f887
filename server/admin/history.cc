// A ring of one-second differences between cumulative figures.
#include "server/admin/history.h"

#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "protocol/status.h"

namespace objmapper::server {
namespace {

using Json = nlohmann::ordered_json;

double Microseconds(int64_t ns) { return static_cast<double>(ns) / 1e3; }

uint64_t Misses(const session::TallySnapshot::PerWay& way) {
  return way.by_status[static_cast<size_t>(protocol::Status::kNotFound)];
}

Json Between(const session::TallySnapshot::PerWay& before,
             const session::TallySnapshot::PerWay& after, double seconds) {
  const auto rate = [seconds](uint64_t from, uint64_t to) {
    return to > from ? static_cast<double>(to - from) / seconds : 0;
  };
  const session::LatencySnapshot service = after.service.Since(before.service);
  // NOT_FOUND is an answer like any other to who asks whether there is something.
  return {{"requests_per_s", rate(before.requests(), after.requests())},
          {"misses_per_s", rate(Misses(before), Misses(after))},
          {"errors_per_s", rate(before.errors() - Misses(before), after.errors() - Misses(after))},
          {"object_bytes_per_s", rate(before.bytes, after.bytes)},
          {"p50_us", Microseconds(service.Quantile(0.5))},
          {"p99_us", Microseconds(service.Quantile(0.99))},
          {"p999_us", Microseconds(service.Quantile(0.999))}};
}

uint64_t DepthOf(const Vitals& vitals, const std::string& lane) {
  for (const Vitals::Lane& one : vitals.lanes) {
    if (one.name == lane) return one.queue_depth;
  }
  return 0;
}

Json LanesBetween(const Vitals& before, const Vitals& after, double seconds) {
  Json lanes = Json::object();
  for (const session::TallySnapshot::PerLane& now : after.tally.lanes) {
    const session::TallySnapshot::PerLane* then = nullptr;
    for (const auto& lane : before.tally.lanes) {
      if (lane.name == now.name) then = &lane;
    }
    const uint64_t busy_before = then == nullptr ? 0 : then->busy_ns;
    const uint64_t busy_ns = now.busy_ns > busy_before ? now.busy_ns - busy_before : 0;
    const session::LatencySnapshot wait = then == nullptr ? now.wait : now.wait.Since(then->wait);
    lanes[now.name] = {{"busy_threads", static_cast<double>(busy_ns) / 1e9 / seconds},
                       {"wait_p99_us", Microseconds(wait.Quantile(0.99))},
                       {"queue_depth", DepthOf(after, now.name)}};
  }
  return lanes;
}

// What all lanes together have counted between the two.
uint64_t More(uint64_t Vitals::Lane::*value, const Vitals& before, const Vitals& after) {
  uint64_t more = 0;
  for (const Vitals::Lane& lane : after.lanes) more += lane.*value;
  for (const Vitals::Lane& lane : before.lanes) more -= lane.*value;
  return more;
}

}  // namespace

void History::Add(const Vitals& vitals) {
  const net::MutexLock lock(&mutex_);
  if (last_.has_value() && vitals.now_ns > last_->now_ns) {
    const double seconds = static_cast<double>(vitals.now_ns - last_->now_ns) / 1e9;
    Json modes = Json::object();
    for (size_t w = 0; w < session::kWays; ++w) {
      modes[NameOf(static_cast<session::Way>(w))] =
          Between(last_->tally.ways[w], vitals.tally.ways[w], seconds);
    }
    const auto cpu_s = [](const Vitals& of) {
      return of.process.cpu_user_s + of.process.cpu_system_s;
    };
    const uint64_t hits = More(&Vitals::Lane::cache_hits, *last_, vitals);
    const uint64_t misses = More(&Vitals::Lane::cache_misses, *last_, vitals);
    Point point = {
        {"end_unix_s", absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch())},
        {"seconds", seconds},
        {"modes", std::move(modes)},
        {"lanes", LanesBetween(*last_, vitals, seconds)},
        {"connections", {{"open", vitals.connections_open}, {"hot", vitals.connections_hot}}},
        {"cpu_cores", (cpu_s(vitals) - cpu_s(*last_)) / seconds}};
    // Of lookups; null: there were none.
    point["cache_hit_share"] =
        hits + misses == 0 ? Json()
                           : Json(static_cast<double>(hits) / static_cast<double>(hits + misses));
    points_.push_back(std::move(point));
    if (points_.size() > kPointsMax) points_.pop_front();
  }
  last_ = vitals;
}

std::vector<History::Point> History::points() const {
  const net::MutexLock lock(&mutex_);
  return {points_.begin(), points_.end()};
}

}  // namespace objmapper::server
