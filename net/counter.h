// A count that one thread keeps and any thread may read.
//
//   counter.Add();                 // its thread: a load, an addition and a store
//   uint64_t now = counter.get();  // any thread
//
// With one writer no locked instruction is needed, so counting costs the hot path less than a
// nanosecond, as long as counters of different threads do not share a cache line: the owner sees to
// that (alignas(64)).
#pragma once

#include <atomic>
#include <cstdint>

namespace objmapper::net {

class Counter {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }
  operator uint64_t() const { return get(); }  // NOLINT: reads like the number that it is

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace objmapper::net
