// What the copying floors serve: the root's files, opened once at the start.
#pragma once

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"

namespace objmapper::bench {

struct Object {
  int fd = -1;
  uint64_t bytes = 0;
  const char* data = nullptr;  // mapped and in memory, if that was asked for
};

// By name. Nothing is ever given back: a floor lives as long as its process.
using Objects = absl::flat_hash_map<std::string, Object>;

// `map`: MAP_SHARED and touched, so that a send never faults. Errors: as ErrnoToStatus.
absl::StatusOr<Objects> OpenObjects(const std::string& root, bool map);

}  // namespace objmapper::bench
