// What is asked for, request by request: the mix, and the names in turn.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "net/unique_fd.h"
#include "tools/bench/load/load.h"
#include "tools/bench/load/wire_driver.h"

namespace objmapper::bench {

// Every distinct request, written once. Shared by all threads; never changes.
class Plan {
 public:
  struct Item {
    Ask ask = Ask::kCopy;
    bool first = true;    // which side of the mix
    std::string request;  // its bytes, but for the id
    int fd = -1;          // kPutFd: rides on its first byte; the plan's
    uint64_t stored_bytes = 0;
  };

  Plan(const WireDriver& driver, const LoadOptions& options);

  const Item& item(uint32_t index) const { return items_[index]; }
  uint32_t first_count() const { return first_count_; }
  uint32_t second_count() const { return items_.size() - first_count_; }
  // The share of requests for the first side that connection `index` sends: all or nothing when the
  // mix is by connection.
  double RatioOf(int index) const;

 private:
  void Add(const WireDriver& driver, Ask ask, bool first, const std::string& name,
           absl::string_view body);

  net::UniqueFd memory_;     // kPutFd: what is stored, sealed
  std::vector<Item> items_;  // the first side's, then the second's
  uint32_t first_count_;
  double ratio_;
  bool per_connection_;
};

// One connection's place in the plan. The sides alternate as evenly as the ratio allows
// (Bresenham), and connections begin at different places in that pattern and among the names.
class Turn {
 public:
  Turn(const Plan& plan, int index);

  // Which item comes next.
  uint32_t Next();

 private:
  uint32_t first_count_, second_count_;
  uint64_t step_;   // the ratio, in 1/2^32
  uint64_t phase_;  // below 2^32; carrying over it means "first"
  uint32_t next_first_, next_second_;
};

}  // namespace objmapper::bench
