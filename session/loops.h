// What a lane of event loops does with all of them alike: choosing one for a connection, their
// watchdog, their gauges.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "net/serving_thread.h"
#include "session/lane.h"
#include "session/session.h"

namespace objmapper::session {

// Chooses the loop that has the fewest connections. Where several have equally few, they take
// turns. Any thread.
class LeastLoaded {
 public:
  template <typename Loop>
  Loop* Of(absl::Span<const std::unique_ptr<Loop>> loops) {
    const size_t start = next_.fetch_add(1, std::memory_order_relaxed);
    Loop* best = nullptr;
    for (size_t i = 0; i < loops.size(); ++i) {
      Loop* loop = loops[(start + i) % loops.size()].get();
      if (best == nullptr || loop->load() < best->load()) best = loop;
    }
    return best;
  }

 private:
  std::atomic<size_t> next_{0};
};

// A thread that goes round with connections, and what others may do with it. Letter: what they have
// for it; a session is one.
template <typename Letter>
class LoopThread {
 public:
  void Adopt(std::unique_ptr<Session> session) {  // any thread
    load_.fetch_add(1, std::memory_order_relaxed);
    thread_.Put(std::move(session));
  }
  void Drain() { thread_.Drain(); }  // any thread
  void Stop() { thread_.Stop(); }    // joins the thread, if there is one
  // Any thread: as Lane's.
  size_t queue_depth() const { return thread_.queue_depth(); }
  void AskPulse() { thread_.AskPulse(); }
  bool HasPulse() const { return thread_.HasPulse(); }
  // How many connections it has, or is given; any thread.
  size_t load() const { return load_.load(std::memory_order_relaxed); }

 protected:
  std::atomic<size_t> load_{0};
  net::ServingThread<Letter> thread_;
};

// A lane of such threads, which are called "name/0", "name/1", ...
template <typename Loop>
class LoopLane : public Lane {
 public:
  void Drain() override {
    for (const auto& loop : loops_) loop->Drain();
  }
  void Stop() override {
    for (const auto& loop : loops_) loop->Stop();
  }
  void AskPulse() override {
    for (const auto& loop : loops_) loop->AskPulse();
  }
  std::string WithoutPulse() const override {
    for (size_t i = 0; i < loops_.size(); ++i) {
      if (!loops_[i]->HasPulse()) return absl::StrCat(name_, "/", i);
    }
    return "";
  }
  size_t QueueDepth() const override {
    size_t depth = 0;
    for (const auto& loop : loops_) depth += loop->queue_depth();
    return depth;
  }

  const std::vector<std::unique_ptr<Loop>>& loops() const { return loops_; }

 protected:
  explicit LoopLane(const char* name) : name_(name) {}

  // Gives the session to the one of `count` loops from `first` on that has the fewest.
  void AdoptAmong(size_t first, size_t count, std::unique_ptr<Session> session) {
    const absl::Span<const std::unique_ptr<Loop>> all = loops_;
    least_loaded_.Of(all.subspan(first, count))->Adopt(std::move(session));
  }

  const char* const name_;
  std::vector<std::unique_ptr<Loop>> loops_;
  LeastLoaded least_loaded_;
};

}  // namespace objmapper::session
