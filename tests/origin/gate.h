// Holds up whoever comes until it is opened: a test, or an origin in the midst of an answer.
#pragma once

#include <cstdint>
#include <future>
#include <utility>

#include "tests/origin/fault.h"

namespace objmapper::origin::testing {

class Gate {
 public:
  // Nobody is held up for ever.
  ~Gate() { Open(); }
  // One thread's.
  void Open() {
    if (!std::exchange(is_open_, true)) opened_.set_value();
  }
  void Pass() const { open_.wait(); }

  // An origin's answer that passes it before its head, or behind n bytes of its body. Good longer
  // than the gate.
  Fault BeforeHead() const {
    Fault fault;
    fault.before_head = true;
    fault.run = [open = open_] { open.wait(); };
    return fault;
  }
  Fault At(uint64_t n) const {
    return Fault::Does(n, [open = open_] { open.wait(); });
  }

 private:
  bool is_open_ = false;
  std::promise<void> opened_;
  const std::shared_future<void> open_ = opened_.get_future().share();
};

}  // namespace objmapper::origin::testing
