// The one clock of the server's deadlines and latencies.
#pragma once

#include <time.h>

#include <cstdint>

namespace objmapper::net {

// Nanoseconds of CLOCK_MONOTONIC; comparable between threads. About 30 ns (vDSO). Of another clock
// where that is wanted (clock_gettime(2)).
inline int64_t NowNs(clockid_t clock = CLOCK_MONOTONIC) {
  timespec now;
  clock_gettime(clock, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Milliseconds that epoll_wait(2) may sleep so as to wake at `deadline_ns`: rounded up, so that it
// does not wake just before; -1 (for ever) for kNever-like far deadlines.
inline int SleepMs(int64_t deadline_ns, int64_t now_ns) {
  if (deadline_ns <= now_ns) return 0;
  const int64_t ms = (deadline_ns - now_ns + 999'999) / 1'000'000;
  return ms > 1'000'000'000 ? -1 : static_cast<int>(ms);
}

}  // namespace objmapper::net
