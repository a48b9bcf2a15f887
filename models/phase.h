// Serving, draining, stopping: what all threads of a model heed, also while they sleep.
//
// A synchronous thread sleeps in poll(2) until its client asks or takes its answers. So that it can
// be told of the end there too, each end is a descriptor that becomes readable and stays so.
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "net/event_fd.h"

namespace objmapper::models {

class Phase {
 public:
  void Drain();
  void Stop();
  bool draining() const { return draining_.load(std::memory_order_relaxed); }  // also when stopping
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

  enum class Woken : uint8_t { kReady, kLate, kDraining, kStopping };

  // Sleeps until `fd` has one of `events` (poll(2); an error or a hang-up counts), `until_ns` has
  // come (net::kNever: never does), or the model stops. fd: borrowed; -1: none, to sleep only.
  Woken Wait(int fd, int16_t events, int64_t until_ns) const;
  // The same, and ends with the beginning of the drain too.
  Woken WaitOrDrain(int fd, int16_t events, int64_t until_ns) const;

 private:
  Woken WaitHeeding(const net::EventFd& end, int fd, int16_t events, int64_t until_ns) const;

  std::atomic<bool> draining_{false};
  std::atomic<bool> stopping_{false};
  net::EventFd drain_;
  net::EventFd stop_;
};

// `after` from `now_ns` on; net::kNever for the durations that mean "as long as it likes".
int64_t DeadlineNs(int64_t now_ns, absl::Duration after);

}  // namespace objmapper::models
