// Moves a body from file to socket through a pipe, or by sendfile(2) if there is no pipe. It stops
// when the socket is full.
#include "copypath/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <glog/logging.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>

#include "copypath/pipe.h"

namespace objmapper::copypath {
namespace {

// After this many bytes others get the thread.
constexpr uint64_t kBytesPerTurn = 16 * 1024 * 1024;
// How long a thread waits for a full socket itself, at most, while another thread is idle: going
// through the loop costs two wake-ups. A client that is slower than this is parked.
constexpr int kPatienceMs = 5;

// Puts a socket into non-blocking mode for as long as it lives, unless it is: splice(2) to a socket
// heeds the file's O_NONBLOCK alone.
class NonBlocking {
 public:
  explicit NonBlocking(int fd) : fd_(fd), flags_(fcntl(fd, F_GETFL)) {
    PCHECK(flags_ >= 0) << "F_GETFL " << fd;
    if ((flags_ & O_NONBLOCK) == 0) Set(flags_ | O_NONBLOCK);
  }
  ~NonBlocking() {
    if ((flags_ & O_NONBLOCK) == 0) Set(flags_);
  }

 private:
  void Set(int flags) { PCHECK(fcntl(fd_, F_SETFL, flags) == 0) << "F_SETFL " << fd_; }

  const int fd_;
  const int flags_;
};

// Whether other transfers may be waiting for this thread.
bool OthersWait(const BlockingPool* pool) { return pool != nullptr && !pool->HasIdleThread(); }

// True: the socket has room again. False: park the transfer.
bool WaitForRoom(int socket, const BlockingPool* pool) {
  if (OthersWait(pool)) return false;
  pollfd wait{socket, POLLOUT, 0};
  return poll(&wait, 1, kPatienceMs) == 1;
}

// The thread's pipe: made at its first transfer, used by one transfer at a time.
std::optional<Pipe>& ThreadPipe() {
  thread_local std::optional<Pipe> pipe;
  return pipe;
}

bool IsGone(int error) { return error == EPIPE || error == ECONNRESET || error == ENOTCONN; }

}  // namespace

Transfer::Outcome Transfer::RunOn(const BlockingPool* pool) {
  NonBlocking mode(socket);
  if (header_sent < header.size()) {
    const Outcome sent = SendHeader(pool);
    if (sent != Outcome::kDone) return sent;
  }
  return remaining == 0 ? Outcome::kDone : MoveBody(pool);
}

Transfer::Outcome Transfer::SendHeader(const BlockingPool* pool) {
  // On TCP the header waits for the body's first bytes, so that they share a segment.
  const int flags = MSG_NOSIGNAL | (remaining > 0 && !unix_socket ? MSG_MORE : 0);
  while (header_sent < header.size()) {
    const ssize_t sent =
        send(socket, header.data() + header_sent, header.size() - header_sent, flags);
    if (sent > 0) {
      header_sent += static_cast<size_t>(sent);
    } else if (errno == EAGAIN) {
      if (!WaitForRoom(socket, pool)) return Outcome::kSocketFull;
    } else if (errno != EINTR) {
      return Outcome::kGone;
    }
  }
  return Outcome::kDone;
}

// sendfile(2) brings a pipe of its own, which takes no descriptor.
Transfer::Outcome Transfer::MoveBodyWithoutPipe(const BlockingPool* pool) {
  uint64_t moved_this_turn = 0;
  while (remaining > 0) {
    if (moved_this_turn >= kBytesPerTurn && (pool == nullptr || OthersWait(pool)))
      return Outcome::kYield;
    off_t at = static_cast<off_t>(offset);
    const ssize_t sent = sendfile(socket, file, &at, std::min<uint64_t>(remaining, kBytesPerTurn));
    if (sent > 0) {
      offset += static_cast<uint64_t>(sent);
      remaining -= static_cast<uint64_t>(sent);
      moved_this_turn += static_cast<uint64_t>(sent);
    } else if (sent == 0) {
      return Outcome::kShrunk;
    } else if (errno == EAGAIN) {
      if (!WaitForRoom(socket, pool)) return Outcome::kSocketFull;
    } else if (errno != EINTR) {
      error = errno;
      return IsGone(error) ? Outcome::kGone : Outcome::kFailed;
    }
  }
  return Outcome::kDone;
}

Transfer::Outcome Transfer::MoveBody(const BlockingPool* pool) {
  std::optional<Pipe>& pipe = ThreadPipe();
  if (!pipe.has_value()) {
    absl::StatusOr<Pipe> made = Pipe::Create();
    if (!made.ok()) {
      LOG_EVERY_T(WARNING, 1) << "no pipe for a splice, sendfile does it: "
                              << made.status().message();
      return MoveBodyWithoutPipe(pool);
    }
    pipe.emplace(*std::move(made));
  }
  // Whatever way this ends, the pipe is empty afterwards or gone.
  const auto leave = [&](Outcome outcome) {
    offset -= pipe->held();
    remaining += pipe->held();
    if (!pipe->Discard()) pipe.reset();
    return outcome;
  };

  uint64_t moved_this_turn = 0;
  while (remaining > 0) {
    if (moved_this_turn >= kBytesPerTurn && (pool == nullptr || OthersWait(pool)))
      return leave(Outcome::kYield);
    const ssize_t filled = pipe->Fill(file, offset, remaining);
    if (filled == 0) return leave(Outcome::kShrunk);
    if (filled < 0) {
      error = static_cast<int>(-filled);
      return leave(Outcome::kFailed);
    }
    offset += static_cast<uint64_t>(filled);
    remaining -= static_cast<uint64_t>(filled);
    while (!pipe->empty()) {
      const ssize_t drained = pipe->Drain(socket, /*more=*/remaining > 0 && !unix_socket);
      if (drained > 0) {
        moved_this_turn += static_cast<uint64_t>(drained);
      } else if (drained == -EAGAIN) {
        if (!WaitForRoom(socket, pool)) return leave(Outcome::kSocketFull);
      } else if (drained == 0 || IsGone(static_cast<int>(-drained))) {
        return leave(Outcome::kGone);
      } else {
        error = static_cast<int>(-drained);
        return leave(Outcome::kFailed);
      }
    }
  }
  return Outcome::kDone;
}

}  // namespace objmapper::copypath
