// How often a connection may ask: a token bucket, kept as the one number of the generic cell rate
// algorithm (ITU-T I.371, annex A: "virtual scheduling"): when the bucket would be full again.
#pragma once

#include <cstdint>

namespace objmapper::session {

struct RateLimit {
  // per_second: requests in the long run, 0: as many as it likes. burst: 1 or more, at once after a
  // pause.
  static RateLimit Of(uint64_t per_second, uint64_t burst) {
    if (per_second == 0) return {};
    const int64_t interval = static_cast<int64_t>(1'000'000'000 / per_second);
    return {interval > 0 ? interval : 1,
            static_cast<int64_t>(burst - 1) * (interval > 0 ? interval : 1)};
  }

  // Takes a token at `now_ns` from the bucket `*full_ns` (0 at first). 0: taken; else nothing is
  // taken, and it says for how many nanoseconds there will be none.
  int64_t Take(int64_t now_ns, int64_t* full_ns) const {
    const int64_t full = *full_ns > now_ns ? *full_ns : now_ns;
    if (full - now_ns > tolerance_ns) return full - now_ns - tolerance_ns;
    *full_ns = full + interval_ns;
    return 0;
  }

  int64_t interval_ns = 0;   // between tokens; 0: no limit
  int64_t tolerance_ns = 0;  // what a full bucket lets through early
};

}  // namespace objmapper::session
