// Bytes of files into one socket, moved inside the kernel: sendfile(2), and for the largest parts
// splice(2) through a pipe of a megabyte, which sendfile does 64 KiB at a time.
//
// The pages themselves are queued, so the bytes are copied once, by the receiver; a copying send
// needs two. The price: a page that waits in the socket shows what is written over it. Objects that
// are replaced (rename(2)) rather than rewritten are not touched by that.
//
// Invariant: what of a part has not gone is asked for again; a pipe with bytes in it has those that
// the caller asks for next.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "copypath/pipe_pool.h"

namespace objmapper::copypath {

// One connection's, on its owner's thread.
class Mover {
 public:
  struct Options {
    // Shorter parts are sent from memory, which is checked.
    uint64_t sendfile_bytes_min = 16 * 1024;
    // SO_SNDBUF of Unix sockets that large parts are moved to; 0: as it comes.
    int unix_send_buffer_bytes = 0;
    PipePool* pipes = nullptr;  // outlives the mover
  };

  // socket: connected, borrowed; unix_socket: AF_UNIX, else TCP. options: outlive the mover.
  Mover(int socket, bool unix_socket, const Options* options)
      : options_(options), socket_(socket), unix_socket_(unix_socket) {}

  // Whether a body of so many bytes is to be moved. always: although it is shorter than
  // sendfile_bytes_min.
  bool Suits(uint64_t bytes, bool always);
  // What one connection moves before the others have their turn.
  uint64_t turn_bytes() const;

  // Moves what the socket takes of [at, at + bytes) of `file`, which are in the page cache. end:
  // where the body ends. Leaves the socket in non-blocking mode: neither call has a flag for it.
  // Returns bytes moved, 0 when the file ends here, or -errno (-EAGAIN: the socket is full).
  ssize_t Move(int file, uint64_t at, uint64_t bytes, uint64_t end);

  // Stays as it is from one body to the next: to set and reset it for each costs 7 % of a body of
  // 100 KB.
  void SetBlocking(bool blocking);
  // Nothing more is moved. The socket blocks, as it came; what a pipe holds is dropped.
  void End();

 private:
  ssize_t MoveThroughPipe(int file, uint64_t at, uint64_t bytes, uint64_t end);
  void TakePipe();
  void GivePipeBack();

  const Options* const options_;
  const int socket_;
  const bool unix_socket_;
  bool blocking_ = true;
  bool widened_ = false;       // a Unix socket, for large parts
  std::optional<bool> paced_;  // TCP: net::Paces(), once it was asked
  std::unique_ptr<Pipe> pipe_;
};

}  // namespace objmapper::copypath
