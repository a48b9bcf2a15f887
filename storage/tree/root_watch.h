// Whether the root that is served is still what its name means, as operators are told it: in the
// log when it changes, and in /readyz.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "net/mutex.h"
#include "storage/tree/tree.h"

namespace objmapper::storage {

// Thread-safe.
class RootWatch {
 public:
  // tree: outlives it.
  explicit RootWatch(const Tree* tree) : tree_(tree) {}

  // Root::Check(), and a line in the log where it says another thing than the last time. Waits
  // for the disk.
  absl::Status Check();

 private:
  const Tree* const tree_;
  net::Mutex mutex_;
  std::string said_ GUARDED_BY(mutex_);  // empty: all is well
};

}  // namespace objmapper::storage
