// Two eventfds, one for draining and one for stopping, that every sleeping thread polls beside its
// socket.
#include <errno.h>
#include <glog/logging.h>
#include <poll.h>

#include "models/context.h"
#include "net/clock.h"

namespace objmapper::models {

void Phase::Drain() {
  draining_.store(true, std::memory_order_relaxed);
  drain_.Signal();
}

void Phase::Stop() {
  stopping_.store(true, std::memory_order_relaxed);
  stop_.Signal();
  Drain();  // who waits for that wakes too
}

Phase::Woken Phase::Wait(int fd, int16_t events, int64_t until_ns, bool or_drain) const {
  const net::EventFd& end = or_drain ? drain_ : stop_;
  bool excused = false;
  while (true) {
    if (stopping()) return Woken::kStopping;
    const int64_t looked_ns = net::NowNs();
    pollfd wait[2] = {{fd, events, 0}, {end.fd(), POLLIN, 0}};
    const int ready =
        poll(wait, 2, until_ns == net::kNever ? -1 : net::SleepMs(until_ns, looked_ns));
    PCHECK(ready >= 0 || errno == EINTR) << "poll";
    if (ready <= 0) {
      // of what came before it was looked at once more, nothing is for us
      if (looked_ns >= until_ns) return Woken::kLate;
      const int64_t now_ns = net::NowNs();
      if (until_ns == net::kNever || now_ns - until_ns <= net::kOversleptNs || excused) continue;
      // We were stopped meanwhile. What was waited for may be on its way still, and may have been
      // frozen with us.
      until_ns = now_ns + (until_ns - looked_ns);
      excused = true;
      continue;
    }
    if (wait[0].revents != 0) return Woken::kReady;
    if (!stopping()) return Woken::kDraining;
  }
}

int64_t DeadlineNs(int64_t now_ns, absl::Duration after) {
  if (after <= absl::ZeroDuration() || after == absl::InfiniteDuration()) return net::kNever;
  return now_ns + absl::ToInt64Nanoseconds(after);
}

}  // namespace objmapper::models
