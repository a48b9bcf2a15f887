#include "tools/bench/progress.h"

#include <stdio.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace objmapper::bench {

namespace {

std::string Left(absl::Duration left) {
  if (left < absl::Minutes(1)) return absl::StrCat(absl::ToInt64Seconds(left), " s left");
  return absl::StrCat(absl::ToInt64Minutes(left) + 1, " min left");
}

}  // namespace

Progress::Progress(int steps)
    : shown_(isatty(STDERR_FILENO) == 1), steps_(std::max(1, steps)), start_(absl::Now()) {}

Progress::~Progress() { Clear(); }

void Progress::Step(const std::string& what) {
  const absl::Duration taken = absl::Now() - start_;
  std::string line = absl::StrCat("[", done_ + 1, "/", steps_, "] ", what);
  // The first steps hold start-up; an estimate from them would only frighten.
  if (done_ >= 3) absl::StrAppend(&line, " - ", Left(taken / done_ * (steps_ - done_)));
  ++done_;
  if (shown_) fprintf(stderr, "\r\033[K%s", line.c_str());
}

void Progress::Clear() {
  if (shown_) fputs("\r\033[K", stderr);
}

}  // namespace objmapper::bench
