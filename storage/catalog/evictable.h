// What takes room below the root and is no object in the catalog, but may go as well: its owner is
// asked for the one of it that was used longest ago, beside the catalog's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace objmapper::storage {

// Thread-safe.
class Evictable {
 public:
  virtual ~Evictable() = default;
  // That all of it takes, what may not go now included. Counts as objects' bytes (DiskLimits).
  virtual uint64_t bytes() const = 0;
  // Of it, what is pinned.
  virtual uint64_t pinned_bytes() const = 0;
  // When that was last used which would go first, in seconds since the epoch; nullopt: nothing may
  // go.
  virtual std::optional<uint32_t> OldestUse() const = 0;
  // Removes that one, and says which it was. Returns its bytes; 0: it could not go, and is not what
  // would go first any more. May wait for the disk.
  virtual uint64_t EvictOldest(std::string* uri) = 0;
};

// Is told what has been evicted, and how many bytes have come back. It must not wait.
using Evicted = std::function<void(absl::string_view uri, uint64_t bytes)>;

// Which objects may be evicted.
enum class Evicts : uint8_t {
  kAll,           // every one; whose it is, and whether it is pinned, is not asked for
  kFetchedFirst,  // those that were fetched from an origin, and when there are none left the others
  kFetchedOnly,   // those alone: what is this disk's own stays
};

}  // namespace objmapper::storage
