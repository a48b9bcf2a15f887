// Opens and closes of files, many in one system call: a small ring of its own, on which nothing
// ever waits.
//
//   files->Open(directory, "a.bin", &result);   // queued
//   files->Close(std::move(fd));
//   files->Submit();                            // done: result is a descriptor, or -errno
//
// Where entering the kernel costs as much as opening does (virtual machines, mitigations), this is
// what makes answering with descriptors cheap.
//
// One thread's, the one that creates it. Source: io_uring_enter(2); io_uring/openclose.c in the
// kernel.
#pragma once

#include <linux/openat2.h>

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "net/unique_fd.h"

struct io_uring;
struct io_uring_sqe;

namespace objmapper::net {

class FileBatch {
 public:
  // Errors as Ring::Create().
  static absl::StatusOr<std::unique_ptr<FileBatch>> Create();
  // Does what is queued.
  ~FileBatch();

  // Queues the opening of `name`, of one component, in `directory`: O_RDONLY, close-on-exec, and no
  // symbolic link. It is done from the kernel's caches or not at all (-EAGAIN; RESOLVE_CACHED), and
  // blocks on no FIFO or lease: for an operation that may not block io_uring adds O_NONBLOCK, and
  // takes it away again before the descriptor is there. name, directory and result stay as they are
  // until Submit(); *result is set then at the latest.
  void Open(int directory, const char* name, int* result);
  void Close(UniqueFd fd) { closes_.push_back(std::move(fd)); }
  // Does all that is queued.
  void Submit();
  // What a thread is inside Submit() for, and has not come to yet, is not opened any more: such
  // results are errors. For one that noticed that an open hangs, behind which the others wait. It
  // may take effect on the next Submit() instead. Any thread.
  void CutShort();

 private:
  FileBatch();
  io_uring_sqe* NextEntry();
  void Enter();

  std::unique_ptr<io_uring> ring_;
  open_how how_;  // of all opens; the kernel reads it as it comes to each
  std::vector<UniqueFd> closes_;
  unsigned queued_ = 0;
  unsigned lost_seen_ = 0;  // of the kernel's count of lost completions
};

}  // namespace objmapper::net
