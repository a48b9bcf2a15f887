// What is to go wrong in a server under test: a table in memory that the test and the library
// inside the server share.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace objmapper::faults {

// The system calls that can be made to fail, by the names of their C functions; "ring_..." are the
// operations of an io_uring, on their way into it. openat is meant where it makes a file. Those of
// the two lines from "openat" on change the tree of objects (copy_file_range and sendfile to a file
// too, and the ioctl that clones one).
inline constexpr const char* kCalls[] = {
    "accept4",
    "recv",
    "recvmsg",
    "send",
    "sendmsg",
    "read",
    "pread",
    "preadv2",
    "openat2",
    "fstat",
    "mmap",
    "splice",
    "sendfile",
    "pipe2",
    "epoll_ctl",
    "epoll_wait",
    "io_uring_submit",
    "ring_recv",
    "ring_send",
    "ring_sendmsg",
    "ring_madvise",
    "sendmmsg",
    "fstatvfs",
    "openat",
    "mkdirat",
    "fallocate",
    "pwrite",
    "ring_write",
    "copy_file_range",
    "fsetxattr",
    "fchmod",
    "fsync",
    "flock",
    "linkat",
    "renameat",
    "unlinkat",
    // The first of the completions that wait is lost, as where the kernel has no memory to keep it.
    // No errno.
    "ring_lost",
};
inline constexpr size_t kCallCount = sizeof(kCalls) / sizeof(kCalls[0]);

struct Fault {
  std::atomic<int> every{0};      // each so many-th call is touched; 0: none
  std::atomic<int> error{0};      // it fails with this errno, and does nothing; 0: it is cut short
  std::atomic<int64_t> bytes{0};  // where it is cut short: at so many bytes
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> touched{0};
};

struct FaultTable {
  Fault faults[kCallCount];
  // The process kills itself, as SIGKILL does, in place of the so many-th call from here on that
  // changes the tree; 0: it lives, and none is counted.
  std::atomic<int64_t> kill_at{0};
  std::atomic<int64_t> changes{0};
};

// $OBJMAPPER_FAULTS names the file that holds the table.
inline constexpr char kVariable[] = "OBJMAPPER_FAULTS";

}  // namespace objmapper::faults
