// Deciding how many workers are in use. Invariant: a trial is judged by the window after the one in
// which connections moved, against the window before it.
#include "fdpass/packing.h"

#include <algorithm>
#include <utility>

namespace objmapper::fdpass {
namespace {

// Of the time of those in use: from here on one more may be worth its while. Little, since who
// waits for wake-ups that cross processors hardly runs, and it is those that one more may save.
constexpr double kAwake = 0.1;
constexpr int kAwakeWindows = 2;
// All together, of one worker's time less than this: one does it easily.
constexpr double kOneDoes = 0.05;
// A pause is one window, however long it was: what was found before it is as true behind it.
constexpr int kIdleWindows = 2;
// What must come of one more, and what may be lost with one fewer.
constexpr double kGainMin = 1.05;
constexpr double kLossMax = 0.98;
// A window that took so much longer than it should was not one of steady work.
constexpr int64_t kSteadyNs = 5 * Packing::kWindowNs;

}  // namespace

void Packing::Note(const Sample& sample) {
  const net::MutexLock lock(&mutex_);
  const Sample last = std::exchange(last_, sample);
  const int64_t took_ns = sample.now_ns - last.now_ns;
  if (took_ns <= 0) return;
  const double rate =
      static_cast<double>(sample.requests - last.requests) / static_cast<double>(took_ns);
  const double busy =
      static_cast<double>(sample.busy_ns - last.busy_ns) / static_cast<double>(took_ns);
  const int used = in_use();
  awake_ = busy >= kAwake * used ? awake_ + 1 : 0;
  idle_ = busy < kOneDoes ? idle_ + 1 : 0;
  const size_t more = std::max(sample.connections, tried_with_);
  if (4 * (more - std::min(sample.connections, tried_with_)) > more) {
    // Others have come, or gone: what was found is about those.
    tried_with_ = sample.connections;
    more_ = fewer_ = Trial();
    trying_ = 0;
    settling_ = 1;
  }
  if (settling_ > 0) {
    --settling_;
  } else if (trying_ != 0) {
    Judge(took_ns < kSteadyNs ? rate : 0, sample.now_ns);
  } else if (used > 1 && idle_ >= kIdleWindows) {
    Use(1, sample.now_ns);
  } else if (used < workers_ && static_cast<size_t>(used) < sample.connections &&
             awake_ >= kAwakeWindows && sample.now_ns >= more_.not_before_ns) {
    rate_before_ = rate;
    trying_ = 1;
    Use(used + 1, sample.now_ns);
  } else if (used > 1 && took_ns < kSteadyNs && sample.now_ns >= fewer_.not_before_ns) {
    rate_before_ = rate;
    trying_ = -1;
    Use(used - 1, sample.now_ns);
  }
}

void Packing::Use(int workers, int64_t now_ns) {
  Set(workers);
  settling_ = 1;
  awake_ = 0;
  // What has just changed is left alone for a while.
  more_.not_before_ns = std::max(more_.not_before_ns, now_ns + 4 * kWindowNs);
  fewer_.not_before_ns = std::max(fewer_.not_before_ns, now_ns + kStayNs);
}

// rate: of the trial's window; 0: there was too little to go by.
void Packing::Judge(double rate, int64_t now_ns) {
  const bool more = trying_ > 0;
  trying_ = 0;
  Trial* const trial = more ? &more_ : &fewer_;
  if (rate >= rate_before_ * (more ? kGainMin : kLossMax) && rate > 0) {
    *trial = Trial();  // and once more, at once
    return;
  }
  Use(in_use() + (more ? -1 : 1), now_ns);
  trial->not_before_ns = now_ns + trial->pause_ns;
  trial->pause_ns = std::min(2 * trial->pause_ns, kPauseMaxNs);
}

}  // namespace objmapper::fdpass
