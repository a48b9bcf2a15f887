// Asks for signs of life, and looks for them the next time.
#include "server/pulse_watch.h"

namespace objmapper::server {

std::string PulseWatch::Look(int64_t now_ns) {
  // Two may ask (the watchdog, and whoever answers /readyz): a loop has time to answer one before
  // it is looked at for the other.
  constexpr int64_t kAtMostEveryNs = 100'000'000;
  const net::MutexLock lock(&mutex_);
  if (looked_ns_ != 0 && now_ns - looked_ns_ < kAtMostEveryNs) return found_;
  looked_ns_ = now_ns;
  found_ = watched_.silent();
  if (found_.empty()) {
    silent_since_ns_ = 0;
    // Who has not answered is not asked again, so that the answer shows when it comes.
    watched_.ask();
    found_ = watched_.busy();
  } else if (silent_since_ns_ == 0) {
    silent_since_ns_ = now_ns;
  }
  return found_;
}

std::string PulseWatch::SilentFor(absl::Duration patience, int64_t now_ns) const {
  const net::MutexLock lock(&mutex_);
  const bool long_silent =
      silent_since_ns_ != 0 && now_ns - silent_since_ns_ > absl::ToInt64Nanoseconds(patience);
  return long_silent ? found_ : "";
}

}  // namespace objmapper::server
