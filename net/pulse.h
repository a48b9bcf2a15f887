// Whether an event loop still goes round: who watches asks, the loop answers on its next turn.
//
//   pulse.Ask(); mailbox.Wake();      // the watcher
//   pulse.Answer();                   // the loop, each turn: one load, mostly
//   pulse.answered()                  // the watcher, a while later
#pragma once

#include <atomic>
#include <cstdint>

namespace objmapper::net {

class Pulse {
 public:
  // Any thread.
  void Ask() { asked_.fetch_add(1, std::memory_order_relaxed); }
  // The loop's thread.
  void Answer() {
    const uint64_t asked = asked_.load(std::memory_order_relaxed);
    if (answered_.load(std::memory_order_relaxed) != asked)
      answered_.store(asked, std::memory_order_relaxed);
  }
  // Any thread: whether all that was asked has been answered.
  bool answered() const {
    return answered_.load(std::memory_order_relaxed) == asked_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t> asked_{0};
  std::atomic<uint64_t> answered_{0};
};

}  // namespace objmapper::net
