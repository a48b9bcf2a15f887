// Where a run is, on one line of the terminal; and Ctrl-C, which ends it in order: what was
// measured is still reported, and every process ends.
#pragma once

#include <string>

#include "absl/time/time.h"

namespace objmapper::bench {

// On stderr, and only when that is a terminal. The line goes when the object does, or at Clear().
class Progress {
 public:
  // `steps`: how often Step() will be called in all.
  explicit Progress(int steps);
  ~Progress();

  // "[12/240] copy size=1K: round 2 of 5, nginx - 3 min left".
  void Step(const std::string& what);
  void Clear();

 private:
  const bool shown_;
  const int steps_;
  int done_ = 0;
  const absl::Time start_;
};

// The first SIGINT, SIGTERM or SIGHUP sets Interrupted(); a second ends the program at once.
void WatchForInterrupts();
bool Interrupted();

}  // namespace objmapper::bench
