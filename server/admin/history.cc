// A ring of one-second differences between cumulative figures.
#include "server/admin/history.h"

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "protocol/status.h"

namespace objmapper::server {
namespace {

double Microseconds(int64_t ns) { return static_cast<double>(ns) / 1e3; }

uint64_t Misses(const session::TallySnapshot::PerWay& way) {
  return way.by_status[static_cast<size_t>(protocol::Status::kNotFound)];
}

History::Point::PerWay Between(const session::TallySnapshot::PerWay& before,
                               const session::TallySnapshot::PerWay& after, double seconds) {
  const auto rate = [seconds](uint64_t from, uint64_t to) {
    return to > from ? static_cast<double>(to - from) / seconds : 0;
  };
  const session::LatencySnapshot service = after.service.Since(before.service);
  History::Point::PerWay way;
  way.requests_per_s = rate(before.requests(), after.requests());
  // NOT_FOUND is an answer like any other to who asks whether there is something.
  way.misses_per_s = rate(Misses(before), Misses(after));
  way.errors_per_s = rate(before.errors() - Misses(before), after.errors() - Misses(after));
  way.bytes_per_s = rate(before.bytes, after.bytes);
  way.p50_us = Microseconds(service.Quantile(0.5));
  way.p99_us = Microseconds(service.Quantile(0.99));
  way.p999_us = Microseconds(service.Quantile(0.999));
  return way;
}

uint64_t DepthOf(const Vitals& vitals, const std::string& lane) {
  for (const Vitals::Lane& one : vitals.lanes) {
    if (one.name == lane) return one.queue_depth;
  }
  return 0;
}

std::vector<History::Point::PerLane> LanesBetween(const Vitals& before, const Vitals& after,
                                                  double seconds) {
  std::vector<History::Point::PerLane> lanes;
  for (const session::TallySnapshot::PerLane& now : after.tally.lanes) {
    const session::TallySnapshot::PerLane* then = nullptr;
    for (const auto& lane : before.tally.lanes) {
      if (lane.name == now.name) then = &lane;
    }
    History::Point::PerLane& lane = lanes.emplace_back();
    lane.name = now.name;
    lane.queue_depth = DepthOf(after, now.name);
    const uint64_t busy_before = then == nullptr ? 0 : then->busy_ns;
    if (now.busy_ns > busy_before) {
      lane.busy_threads = static_cast<double>(now.busy_ns - busy_before) / 1e9 / seconds;
    }
    const session::LatencySnapshot wait = then == nullptr ? now.wait : now.wait.Since(then->wait);
    lane.wait_p99_us = Microseconds(wait.Quantile(0.99));
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
    Point point;
    point.seconds = static_cast<double>(vitals.now_ns - last_->now_ns) / 1e9;
    point.end_unix_s = absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch());
    for (size_t w = 0; w < session::kWays; ++w) {
      point.ways[w] = Between(last_->tally.ways[w], vitals.tally.ways[w], point.seconds);
    }
    point.lanes = LanesBetween(*last_, vitals, point.seconds);
    point.connections_open = vitals.connections_open;
    point.connections_hot = vitals.connections_hot;
    const Vitals::Process& before = last_->process;
    const Vitals::Process& after = vitals.process;
    point.cpu_cores =
        (after.cpu_user_s + after.cpu_system_s - before.cpu_user_s - before.cpu_system_s) /
        point.seconds;
    const uint64_t hits = More(&Vitals::Lane::cache_hits, *last_, vitals);
    const uint64_t misses = More(&Vitals::Lane::cache_misses, *last_, vitals);
    if (hits + misses > 0) {
      point.cache_hit_share = static_cast<double>(hits) / static_cast<double>(hits + misses);
    }
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
