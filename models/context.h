// What all threads of a model share, and a connection as they pass it around.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "absl/time/time.h"
#include "loop/loop.h"
#include "net/deadline_list.h"
#include "net/event_fd.h"
#include "net/mutex.h"
#include "session/session.h"
#include "session/tally.h"
#include "storage/store/store.h"
#include "storage/tree/stat_cache.h"
#include "storage/tree/tree.h"

namespace objmapper::models {

// How many threads there are, and how much waits for them.
struct Sizes {
  int pool_size = 1;              // workers; 1 or more
  int splice_threads = 2;         // behind an event loop
  size_t queue_depth_max = 1000;  // connections that may wait in a queue
  size_t threads_max = 1000;      // of models that start threads as they need them
};

// What a model works with; all of it outlives the model. Of an event loop's tuning the others use
// splice_bytes_min alone.
struct Options : loop::LoopOptions, Sizes {};

// Serving, draining, stopping: what all threads of a model heed, also while they sleep.
//
// A synchronous thread sleeps in poll(2) until its client asks or takes its answers. So that it can
// be told of the end there too, each end is a descriptor that becomes readable and stays so.
// Thread-safe.
class Phase {
 public:
  void Drain();
  void Stop();
  bool draining() const { return draining_.load(std::memory_order_relaxed); }  // also when stopping
  bool stopping() const { return stopping_.load(std::memory_order_relaxed); }

  enum class Woken : uint8_t { kReady, kLate, kDraining, kStopping };

  // Sleeps until `fd` has one of `events` (poll(2); an error or a hang-up counts), `until_ns` has
  // come (net::kNever: never does), or the model stops, or, with `or_drain`, begins to drain. fd:
  // borrowed; -1: none, to sleep only.
  Woken Wait(int fd, int16_t events, int64_t until_ns, bool or_drain = false) const;

 private:
  std::atomic<bool> draining_{false};
  std::atomic<bool> stopping_{false};
  net::EventFd drain_;
  net::EventFd stop_;
};

// `after` from `now_ns` on; net::kNever for the durations that mean "as long as it likes".
int64_t DeadlineNs(int64_t now_ns, absl::Duration after);

// Detached threads that can be counted, bounded and waited for.
//
// A thread that is detached frees itself when it ends, but nobody can join it, and the process must
// not end under it: so the last thing that each does is to sign off here. Thread-safe.
class ThreadGroup {
 public:
  // threads_max: 1 or more may run at once.
  explicit ThreadGroup(size_t threads_max) : threads_max_(threads_max) {}
  ~ThreadGroup();

  // Runs `work` on a new thread, whose name is `name` (15 characters at most). False, and it does
  // not run: threads_max run already, or the kernel has no thread to give.
  bool TryRun(const char* name, std::function<void()> work);

  // Waits until fewer than threads_max run. False: Close() was called.
  bool WaitForPlace();
  void Close();

  // Waits until none runs. Nobody may start one meanwhile.
  void Join();

 private:
  struct Start;
  static void* Main(void* start);

  const size_t threads_max_;
  net::Mutex mutex_;
  std::condition_variable_any ended_;
  size_t running_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
};

// Threads that work in the place of a pool's while those wait for a file that takes long to open
// (storage/tree/slow_opens.h). They are started as they are needed, and stay. Thread-safe.
class StandIns {
 public:
  // work: what a thread of the pool does; it returns when the model stops. name: of 15 characters
  // at most.
  StandIns(const char* name, std::function<void()> work)
      : name_(name), work_(std::move(work)), threads_(kMost) {}

  // While this lives, the calling thread waits.
  class Waiting {
   public:
    explicit Waiting(StandIns* stand_ins);
    ~Waiting();
    Waiting(const Waiting&) = delete;

   private:
    StandIns* const stand_ins_;
  };

  // Starts no more. Then, when the pool's threads have ended: Join().
  void Close() { threads_.Close(); }
  void Join() { threads_.Join(); }

 private:
  static constexpr size_t kMost = 32;

  const char* const name_;
  const std::function<void()> work_;
  ThreadGroup threads_;
  net::Mutex mutex_;
  size_t waiting_ GUARDED_BY(mutex_) = 0;
  size_t started_ GUARDED_BY(mutex_) = 0;
};

struct Context {
  explicit Context(const Options& options_in) : options(options_in) {}
  const Options options;
  Phase phase;
  StandIns* stand_ins = nullptr;  // null: who waits holds up its own connection alone
};

// Like the session it holds: one thread's at a time, and moved by its pointer.
struct Connection {
  explicit Connection(std::unique_ptr<session::Session> session_in)
      : session(std::move(session_in)) {}

  std::unique_ptr<session::Session> session;
  bool half_said = false;  // a part of a request has come
  // When it is over with the client's silence: idle too long, or with the rest of a request.
  int64_t deadline_ns = net::kNever;
  bool excused = false;   // once, since it was given that deadline
  bool in_epoll = false;  // Parking's
  int64_t ready_ns = 0;   // since when it waits for a thread; 0: it doesn't
  size_t home = 0;        // WorkStealing's: the worker that served it last
};

}  // namespace objmapper::models
