// What the workload "origin" is told: which origins, which questions, how large.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace objmapper::bench {

struct OriginSettings {
  std::vector<std::string> kinds;  // of OriginKinds()
  std::vector<std::string> asks;   // of OriginAsks()
  uint64_t object_bytes = 0;       // of the object that is fetched
  uint64_t model_bytes = 0;        // what several processes read: objects of that size, rounded up
  int readers = 0;                 // at once, of one object that is not here
  int fills = 0;                   // at once
  int processes = 0;               // that read the model
};

inline const std::vector<std::string>& OriginKinds() {
  static const auto* const kKinds = new std::vector<std::string>{"nginx", "radosgw"};
  return *kKinds;
}

inline const std::vector<std::string>& OriginAsks() {
  static const auto* const kAsks = new std::vector<std::string>{
      "herd", "fill", "first_byte", "range", "many_fills", "hits", "beside", "model"};
  return *kAsks;
}

}  // namespace objmapper::bench
