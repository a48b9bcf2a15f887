// What a lane of event loops does with all of them alike: choosing one for a connection, their
// watchdog, their gauges.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

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

template <typename Loop>
void AskPulseOfAll(const std::vector<std::unique_ptr<Loop>>& loops) {
  for (const auto& loop : loops) loop->AskPulse();
}

// "name/2", the thread that has not answered; empty when all have.
template <typename Loop>
std::string FirstWithoutPulse(const std::vector<std::unique_ptr<Loop>>& loops, const char* name) {
  for (size_t i = 0; i < loops.size(); ++i) {
    if (!loops[i]->HasPulse()) return absl::StrCat(name, "/", i);
  }
  return "";
}

template <typename Loop>
size_t QueueDepthOfAll(const std::vector<std::unique_ptr<Loop>>& loops) {
  size_t depth = 0;
  for (const auto& loop : loops) depth += loop->queue_depth();
  return depth;
}

}  // namespace objmapper::session
