// The last minutes of a server's figures, a point each second: what the status page draws at once,
// and what "p99 now" means.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "net/mutex.h"
#include "server/admin/vitals.h"
#include "session/tally.h"

namespace objmapper::server {

// Thread-safe.
class History {
 public:
  static constexpr size_t kPointsMax = 120;

  // What happened between two readings.
  struct Point {
    struct PerWay {
      double requests_per_s = 0, misses_per_s = 0, errors_per_s = 0, bytes_per_s = 0;
      double p50_us = 0, p99_us = 0, p999_us = 0;  // 0: nothing was answered
    };
    struct PerLane {
      std::string name;
      double busy_threads = 0;
      double wait_p99_us = 0;
      uint64_t queue_depth = 0;  // at its end
    };
    double seconds = 0;  // its length
    double end_unix_s = 0;
    std::array<PerWay, session::kWays> ways;
    std::vector<PerLane> lanes;
    uint64_t connections_open = 0, connections_hot = 0;  // at its end
    double cpu_cores = 0;                                // CPU time over time
    double cache_hit_share = -1;                         // of lookups, -1: there were none
  };

  // A reading; the difference to the one before becomes a point.
  void Add(const Vitals& vitals);
  // Oldest first.
  std::vector<Point> points() const;

 private:
  mutable net::Mutex mutex_;
  absl::optional<Vitals> last_ GUARDED_BY(mutex_);
  std::deque<Point> points_ GUARDED_BY(mutex_);
};

}  // namespace objmapper::server
