#include "tools/bench/interrupt.h"

#include <signal.h>

#include <initializer_list>

namespace objmapper::bench {

namespace {

volatile sig_atomic_t interrupted = 0;

void Note(int) { interrupted = 1; }

}  // namespace

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
