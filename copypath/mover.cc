// Moving pages of files into a socket; nothing here waits for a disk or for the socket.
#include "copypath/mover.h"

#include <errno.h>
#include <glog/logging.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>

#include <utility>

#include "copypath/cached_object.h"
#include "net/send_buffer.h"
#include "net/tcp.h"

namespace objmapper::copypath {
namespace {

constexpr uint64_t kUnixTurnBytes = 2 * kWindowBytes;
// TCP takes megabytes at once, which are out of the processor's caches again when the receiver
// comes to read them.
constexpr uint64_t kTcpTurnBytes = 1024 * 1024;
// What is longer goes from a mapping where TCP paces, OP_SPLICE's too: a copying send hands over a
// megabyte at once, the pages of one are handed over sixteen at a time.
constexpr uint64_t kPacedBytesMax = 512 * 1024;
// Through a pipe it is two system calls: shorter parts go by one.
constexpr uint64_t kPipedBytesMin = 256 * 1024;

}  // namespace

bool Mover::Suits(uint64_t bytes, bool always) {
  if (!always && bytes < options_->sendfile_bytes_min) return false;
  if (unix_socket_ || bytes < kPacedBytesMax) return true;
  if (!paced_.has_value()) paced_ = net::Paces(socket_);
  return !*paced_;
}

uint64_t Mover::turn_bytes() const { return unix_socket_ ? kUnixTurnBytes : kTcpTurnBytes; }

ssize_t Mover::Move(int file, uint64_t at, uint64_t bytes, uint64_t end) {
  SetBlocking(false);
  if (pipe_ == nullptr && bytes >= kPipedBytesMin) TakePipe();
  if (pipe_ != nullptr) return MoveThroughPipe(file, at, bytes, end);
  ssize_t sent;
  do {
    off_t offset = static_cast<off_t>(at);
    sent = sendfile(socket_, file, &offset, bytes);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

ssize_t Mover::MoveThroughPipe(int file, uint64_t at, uint64_t bytes, uint64_t end) {
  if (pipe_->empty()) {
    const ssize_t filled = pipe_->Fill(file, at, bytes);
    if (filled <= 0) {
      GivePipeBack();
      return filled;
    }
  }
  const bool more = !unix_socket_ && at + pipe_->held() < end;
  const ssize_t sent = pipe_->Drain(socket_, more);
  // What a full Unix socket leaves stays in the pipe for later. TCP clients may be slow for long:
  // others have the pipe meanwhile, and filling the rest in again costs nothing that could be
  // measured.
  if (pipe_->empty() || (sent < 0 && !unix_socket_)) GivePipeBack();
  return sent;
}

// A pipe's worth is best taken at once: with the 208 KiB that a Unix socket takes as it comes,
// server and reader wake each other five times for a megabyte. Only here: a client that never asks
// for large bodies gains nothing from it, and holds more when it stalls.
void Mover::TakePipe() {
  if (unix_socket_ && !std::exchange(widened_, true))
    net::WidenSendBuffer(socket_, options_->unix_send_buffer_bytes);
  pipe_ = options_->pipes->Take();
}

void Mover::GivePipeBack() {
  if (pipe_ != nullptr) options_->pipes->Give(std::move(pipe_));
}

void Mover::SetBlocking(bool blocking) {
  if (blocking == blocking_) return;
  int nonblocking = blocking ? 0 : 1;
  PCHECK(ioctl(socket_, FIONBIO, &nonblocking) == 0) << "FIONBIO";
  blocking_ = blocking;
}

void Mover::End() {
  GivePipeBack();
  SetBlocking(true);
}

}  // namespace objmapper::copypath
