// splice(2) in and out of a pipe, with a count of the bytes in it.
#include "copypath/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <unistd.h>

#include <algorithm>

#include "net/errno_status.h"

namespace objmapper::copypath {

int DevNull() {
  static const int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
  return fd;
}

absl::StatusOr<Pipe> Pipe::Create(int capacity_wanted) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return net::ErrnoToStatus(errno, "pipe2");
  net::UniqueFd read_end(ends[0]);
  net::UniqueFd write_end(ends[1]);
  int capacity = fcntl(write_end.get(), F_SETPIPE_SZ, capacity_wanted);
  if (capacity < 0) capacity = fcntl(write_end.get(), F_GETPIPE_SZ);
  if (capacity <= 0) return net::ErrnoToStatus(errno, "F_GETPIPE_SZ");
  return Pipe(std::move(read_end), std::move(write_end), static_cast<size_t>(capacity));
}

ssize_t Pipe::Fill(int file, uint64_t offset, size_t bytes) {
  CHECK(empty()) << "a pipe with " << held_ << " bytes of another transfer in it";
  loff_t at = static_cast<loff_t>(offset);
  ssize_t moved;
  do {
    moved = splice(file, &at, write_end_.get(), nullptr, std::min(bytes, capacity_), SPLICE_F_MOVE);
  } while (moved < 0 && errno == EINTR);
  if (moved < 0) return -errno;
  held_ = static_cast<size_t>(moved);
  return moved;
}

ssize_t Pipe::Drain(int socket, bool more) {
  ssize_t moved;
  do {
    moved = splice(read_end_.get(), nullptr, socket, nullptr, held_,
                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK | (more ? SPLICE_F_MORE : 0));
  } while (moved < 0 && errno == EINTR);
  if (moved < 0) return -errno;
  CHECK_LE(static_cast<size_t>(moved), held_);
  held_ -= static_cast<size_t>(moved);
  return moved;
}

bool Pipe::Discard() {
  while (held_ > 0) {
    const ssize_t moved =
        splice(read_end_.get(), nullptr, DevNull(), nullptr, held_, SPLICE_F_NONBLOCK);
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) return false;
    held_ -= static_cast<size_t>(moved);
  }
  return true;
}

}  // namespace objmapper::copypath
