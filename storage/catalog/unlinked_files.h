// Files that the server has deleted and that somebody still has open: their bytes are on the disk
// until he closes them, and no directory shows them.
//
// Whether somebody has a file open the kernel tells who asks for a write lease on it: he gets it if
// nobody else has (fcntl(2), F_SETLEASE). Nobody new can come, since the file has no name, so that
// a lease that was given stops nobody. Told apart are not: another process and a cache of this one.
// Not known: files of other users (without CAP_LEASE), on file systems without leases, and more
// than files_max at once, since each costs a descriptor.
//
// Thread-safe.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "net/mutex.h"
#include "net/unique_fd.h"

namespace objmapper::storage {

class UnlinkedFiles {
 public:
  explicit UnlinkedFiles(size_t files_max) : files_max_(files_max) {}

  // A file that has just lost a name, open for reading and nothing else. Kept if it has lost its
  // last name and somebody has it open.
  void Take(net::UniqueFd file);
  // Lets go of those that nobody has open any more: some of them at each call, in turns. To be
  // called now and then.
  void Probe();

  // Whether one more could not be kept.
  bool full() const { return files() >= files_max_; }
  // Whether somebody else has `file` (open for reading and nothing else) open. False when the
  // kernel does not tell.
  static bool IsOpenElsewhere(int file);

  uint64_t files() const { return files_.load(std::memory_order_relaxed); }
  // That they take on the disk.
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // Files that were open, but too many to be kept, since the start.
  uint64_t untold() const { return untold_.load(std::memory_order_relaxed); }

 private:
  struct Kept {
    net::UniqueFd file;
    uint64_t bytes = 0;
  };

  const size_t files_max_;
  net::Mutex mutex_;
  std::vector<Kept> kept_ GUARDED_BY(mutex_);
  size_t next_ GUARDED_BY(mutex_) = 0;  // to be probed
  std::atomic<uint64_t> files_{0}, bytes_{0}, untold_{0};
};

}  // namespace objmapper::storage
