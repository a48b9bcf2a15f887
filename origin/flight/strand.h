// Work that may wait for the disk, one piece after the other, on whichever thread of a pool is
// free.
//
//   auto strand = std::make_shared<Strand>(run);
//   strand->Post([...] { ... });   // any thread
//
// What is posted first is done first, and no two pieces at once: what they alone touch needs no
// lock. Thread-safe. It lives as long as somebody holds it, or something is to be done. Where the
// pool drops what it was to run, as one that has stopped does, the work is dropped too, with all
// that it holds: mostly whoever holds the strand.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "net/mutex.h"

namespace objmapper::origin {

// Runs something on a thread that may wait. Any thread; never inside the call.
using RunFn = std::function<void(std::function<void()>)>;

class Strand : public std::enable_shared_from_this<Strand> {
 public:
  explicit Strand(RunFn run) : run_(std::move(run)) {}

  void Post(std::function<void()> work) {
    {
      const net::MutexLock lock(&mutex_);
      work_.push_back(std::move(work));
      if (std::exchange(running_, true)) return;
    }
    RunSoon();
  }

 private:
  // One run by the pool, or none.
  class Turn {
   public:
    explicit Turn(std::shared_ptr<Strand> strand) : strand_(std::move(strand)) {}
    ~Turn() {
      if (strand_ != nullptr) strand_->Drop();
    }
    void Run() { std::exchange(strand_, nullptr)->Run(); }

   private:
    std::shared_ptr<Strand> strand_;
  };

  void RunSoon() {
    run_([turn = std::make_shared<Turn>(shared_from_this())] { turn->Run(); });
  }
  void Drop() {
    std::deque<std::function<void()>> work;  // let go of without the lock
    const net::MutexLock lock(&mutex_);
    work.swap(work_);
    running_ = false;
  }
  // What is there now; the thread is for others before what comes meanwhile.
  void Run() {
    std::deque<std::function<void()>> work;
    {
      const net::MutexLock lock(&mutex_);
      work.swap(work_);
    }
    for (std::function<void()>& piece : work) {
      piece();
      piece = nullptr;
    }
    {
      const net::MutexLock lock(&mutex_);
      if (work_.empty()) running_ = false;
      if (!running_) return;
    }
    RunSoon();
  }

  const RunFn run_;
  net::Mutex mutex_;
  std::deque<std::function<void()>> work_ GUARDED_BY(mutex_);
  bool running_ GUARDED_BY(mutex_) = false;
};

}  // namespace objmapper::origin
