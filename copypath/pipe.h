// A pipe between a file and a socket, with an account of what is in it.
//
// A byte that one transfer left behind would be sent to the next one's client, so a pipe is used
// again only when its account proves it empty. One thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "net/unique_fd.h"

namespace objmapper::copypath {

// /dev/null, where pages go without being touched; one for all, for ever. -1: it could not be
// opened, and a pipe with something in it is thrown away instead.
int DevNull();

class Pipe {
 public:
  // Of so many bytes, or what the user's limit allows (pipe(7), pipe-max-size and
  // pipe-user-pages-soft). RESOURCE_EXHAUSTED: no descriptor left.
  static absl::StatusOr<Pipe> Create(int capacity_wanted = 256 * 1024);

  Pipe(Pipe&&) = default;
  Pipe& operator=(Pipe&&) = default;

  // Moves at most `bytes` (and its capacity) from `file` at `offset` into the empty pipe. May wait
  // for the disk. Returns bytes moved, 0 at the end of the file, or -errno.
  ssize_t Fill(int file, uint64_t offset, size_t bytes);

  // Moves what is in the pipe to `socket`, which is in non-blocking mode. `more`: hold a partial
  // TCP segment back for what follows (SPLICE_F_MORE). Returns bytes moved or -errno (-EAGAIN: the
  // socket is full).
  ssize_t Drain(int socket, bool more);

  // Gets rid of what is in the pipe: the file still has it. False: it could not; the pipe is not to
  // be used again.
  bool Discard();

  size_t capacity() const { return capacity_; }
  size_t held() const { return held_; }
  bool empty() const { return held_ == 0; }

 private:
  Pipe(net::UniqueFd read_end, net::UniqueFd write_end, size_t capacity)
      : read_end_(std::move(read_end)), write_end_(std::move(write_end)), capacity_(capacity) {}

  net::UniqueFd read_end_;
  net::UniqueFd write_end_;
  size_t capacity_;  // bytes
  size_t held_ = 0;  // bytes filled and not yet drained
};

}  // namespace objmapper::copypath
