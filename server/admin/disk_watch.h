// How full the file system below a folder is, as of a few seconds ago.
//
// It is asked by a thread of its own, which nobody waits for: a file system on a disk or a machine
// that has gone may not answer for ever (statfs(2) sleeps uninterruptibly), and then the figure is
// old, but whoever reads it goes on.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <string>

#include "net/mutex.h"

namespace objmapper::server {

// Thread-safe.
class DiskWatch {
 public:
  // folder: that is asked, by its path.
  explicit DiskWatch(std::string folder);
  ~DiskWatch();

  struct Fill {
    uint64_t bytes = 0;            // 0: not known, or it has no end
    uint64_t available_bytes = 0;  // to who is not root
  };
  Fill Read() const { return {state_->bytes.load(), state_->available.load()}; }

 private:
  struct State {
    std::atomic<uint64_t> bytes{0}, available{0};
    net::Mutex mutex;
    std::condition_variable_any ends;
    bool over GUARDED_BY(mutex) = false;
  };
  static void Ask(const std::string& folder, const std::shared_ptr<State>& state);

  const std::shared_ptr<State> state_;  // the thread's too, which may outlive this object
};

}  // namespace objmapper::server
