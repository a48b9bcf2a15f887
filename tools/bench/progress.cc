#include "tools/bench/progress.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace objmapper::bench {

namespace {

volatile sig_atomic_t interrupted = 0;

void Note(int) { interrupted = 1; }

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

void WatchForInterrupts() {
  struct sigaction action = {};
  action.sa_handler = Note;
  // The second time the signal does what it does by default; what blocks is not woken for the
  // first.
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

bool Interrupted() { return interrupted != 0; }

}  // namespace objmapper::bench
