// Waits for what another thread does, without a bar on how soon.
#pragma once

#include <chrono>
#include <thread>

namespace objmapper::net {

// True as soon as `condition()` is; false after 20 s, far longer than anything takes even under a
// sanitizer on a busy machine.
template <typename Condition>
bool Eventually(Condition condition) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace objmapper::net
