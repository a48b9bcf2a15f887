// The last minutes of a server's figures, a point each second: what the status page draws at once,
// and what "p99 now" means.
#pragma once

#include <cstddef>
#include <deque>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/types/optional.h"
#include "net/mutex.h"
#include "server/admin/vitals.h"

namespace objmapper::server {

// Thread-safe.
class History {
 public:
  static constexpr size_t kPointsMax = 120;

  // A point: what happened between two readings, as /stats shows it. Rates are per second, times in
  // µs, 0 where nothing was answered; queues and connections as at its end.
  using Point = nlohmann::ordered_json;

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
