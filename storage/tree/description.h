// What OP_STAT tells of an object, in one piece: what the index remembers, and what every lane and
// model answers from.
#pragma once

#include <cstdint>
#include <string>

#include "storage/tree/object_info.h"

namespace objmapper::storage {

// Where an object's bytes are. The numbers go out as BACKEND (docs/protocol.md).
enum class Tier : uint8_t {
  kDisk = 1,    // a file under the root
  kMemory = 2,  // a sealed memfd (memory_tier.h)
};

struct Description {
  uint64_t size = 0;    // bytes
  int64_t mtime_s = 0;  // since the epoch
  std::string etag;     // at most 64 bytes of printable ASCII; differs whenever the content does
  Tier tier = Tier::kDisk;
  int64_t expires_s = 0;  // since the epoch; 0: never

  friend bool operator==(const Description&, const Description&) = default;
};

// The etag of the object that `fd` is, in that tier. On the disk: of its content, where that is
// known (attributes.h), so that equal bytes have the same one wherever and whenever they were
// stored; else of the version (Etag()), which costs no reading, as it is in memory, where `fd` is
// not looked at. fd: O_PATH is enough. info: of `fd`, a moment ago. One system call; waits for no
// disk but the inode's.
std::string EtagOf(int fd, const ObjectInfo& info, Tier tier);

// Parameters as EtagOf().
Description Describe(int fd, const ObjectInfo& info, Tier tier);

}  // namespace objmapper::storage
