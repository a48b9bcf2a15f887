// Which of the threads that go round in loops does not, and since when.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "net/mutex.h"

namespace objmapper::server {

// Thread-safe.
class PulseWatch {
 public:
  // silent: the name of one that has not gone round since it was asked to; empty: all have.
  // ask: asks all of them. busy: the name of threads that work waits for in vain; empty: none.
  struct Watched {
    std::function<std::string()> silent;
    std::function<void()> ask;
    std::function<std::string()> busy;
  };
  explicit PulseWatch(Watched watched) : watched_(std::move(watched)) {}

  // Who has not gone round since the last look, or is busy; empty when all is well. To be called
  // about once a second.
  std::string Look(int64_t now_ns);
  // Who has been found silent, by one look after the other, for longer than `patience`; else empty.
  std::string SilentFor(absl::Duration patience, int64_t now_ns) const;

 private:
  const Watched watched_;
  mutable net::Mutex mutex_;
  int64_t looked_ns_ GUARDED_BY(mutex_) = 0;        // when it was last looked
  std::string found_ GUARDED_BY(mutex_);            // then
  int64_t silent_since_ns_ GUARDED_BY(mutex_) = 0;  // 0: nobody is silent
};

}  // namespace objmapper::server
