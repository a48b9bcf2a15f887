// How many of the lane's workers its connections are kept on: as few as keep up.
//
//   if (packing.Due(now_ns)) packing.Note({now_ns, requests, busy_ns, connections});   // any
//   worker
//   ... connections belong on workers [0, packing.in_use())
//
// Two workers that wake for one connection each cost twice the processor's time of one that wakes
// for both, and answer no sooner. Whether one more is worth its while nobody can tell beforehand:
// clients need the same processors, and where a client and a worker share one, that saves waking
// the other. So it is tried: while those in use have something to do, one more is taken into use
// for a moment. It stays if more was answered, and else is not tried again for a time that doubles,
// until there are other connections. In the same way one fewer is tried; and where all together
// hardly do anything for longer than a pause between two bursts, one is enough, without a trial.
//
// Nothing here happens by the clock: samples are taken by workers that are at work anyway.
// Thread-safe. A sample takes a lock, once in kWindowNs; requests take none.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "net/mutex.h"

namespace objmapper::fdpass {

class Packing {
 public:
  static constexpr int64_t kWindowNs = 20'000'000;

  // workers: 1 or more, of which one is in use at first.
  explicit Packing(int workers) : workers_(workers) {
    if (workers == 1) Fix(1);
  }

  // What all workers together have done since the start.
  struct Sample {
    int64_t now_ns = 0;
    uint64_t requests = 0;
    uint64_t busy_ns = 0;    // running, or waiting for a processor
    size_t connections = 0;  // now
  };

  // One worker's part in it. The worker's thread's.
  struct Part {
    const Packing* packing = nullptr;  // null: it has none
    uint32_t changes = 0;              // Packing's, when the worker last looked
    size_t surplus = 0;                // connections of its that belong to others

    // Whether there is something to be done: for each round, two loads.
    bool Calls(int64_t now_ns) const {
      return packing != nullptr && (surplus > 0 || packing->changes() != changes ||
                                    now_ns >= packing->due_ns_.load(std::memory_order_relaxed));
    }
  };

  int in_use() const { return in_use_.load(std::memory_order_relaxed); }
  // How often that has changed; read before it.
  uint32_t changes() const { return changes_.load(std::memory_order_acquire); }
  // Whether a sample is to be taken. True once for each: then it is the caller's to take.
  bool Due(int64_t now_ns) {
    int64_t due_ns = due_ns_.load(std::memory_order_relaxed);
    return now_ns >= due_ns && due_ns_.compare_exchange_strong(due_ns, now_ns + kWindowNs);
  }
  void Note(const Sample& sample);
  // From now on it is so many, whatever the samples say.
  void Fix(int workers) {
    due_ns_.store(INT64_MAX);
    Set(workers);
  }

 private:
  // The next trial of its kind.
  struct Trial {
    int64_t not_before_ns = 0;
    int64_t pause_ns = kPauseMinNs;  // after one that failed
  };
  static constexpr int64_t kPauseMinNs = 200'000'000;
  static constexpr int64_t kPauseMaxNs = 60'000'000'000;
  // How long what has just changed stays before one fewer is tried.
  static constexpr int64_t kStayNs = 1'000'000'000;

  void Set(int workers) {
    in_use_.store(workers, std::memory_order_relaxed);
    changes_.fetch_add(1, std::memory_order_release);
  }
  void Use(int workers, int64_t now_ns) EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Judge(double rate, int64_t now_ns) EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int workers_;
  std::atomic<int> in_use_{1};
  std::atomic<uint32_t> changes_{0};
  std::atomic<int64_t> due_ns_{0};
  net::Mutex mutex_;
  Sample last_ GUARDED_BY(mutex_);
  // Windows to let pass before the next is measured: connections are on their way.
  int settling_ GUARDED_BY(mutex_) = 1;
  int awake_ GUARDED_BY(mutex_) = 0;   // windows in a row
  int idle_ GUARDED_BY(mutex_) = 0;    // likewise
  int trying_ GUARDED_BY(mutex_) = 0;  // +1, -1: a trial is on
  double rate_before_ GUARDED_BY(mutex_) = 0;
  size_t tried_with_ GUARDED_BY(mutex_) = 0;  // connections
  Trial more_ GUARDED_BY(mutex_);
  Trial fewer_ GUARDED_BY(mutex_);
};

}  // namespace objmapper::fdpass
