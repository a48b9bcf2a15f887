// Large bodies out of the page cache without a copy, on the loop's thread: sendfile(2), and for the
// largest splice(2) through a pipe of a megabyte, which sendfile does 64 KiB at a time.
//
// The pages themselves are queued, so the bytes are copied once, by the receiver; a copying
// send needs two. What is not in the page cache is brought in first, as for every body: nothing
// here waits for a disk. The price: a page that waits in the socket shows what is written over it,
// as with OP_SPLICE. Objects that are replaced (rename(2)) rather than rewritten are not touched by
// that.
#include <errno.h>
#include <glog/logging.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "loop/loop.h"
#include "loop/stream.h"
#include "net/clock.h"
#include "net/send_buffer.h"
#include "net/tcp.h"
#include "text/printable.h"

namespace objmapper::loop {
namespace {

// What one stream moves before the others have their turn.
constexpr uint64_t kMoveBytesMax = 2 * copypath::kWindowBytes;
// TCP takes megabytes at once, which are out of the processor's caches again when the receiver
// comes to read them.
constexpr uint64_t kTcpMoveBytesMax = 1024 * 1024;
// What is longer goes from a mapping where TCP paces, OP_SPLICE's too: a copying send hands over a
// megabyte at once, the pages of one are handed over sixteen at a time.
constexpr uint64_t kPacedBytesMax = 512 * 1024;
// Through a pipe it is two system calls: shorter parts go by one.
constexpr uint64_t kPipedBytesMin = 256 * 1024;

}  // namespace

bool Stream::GoesInKernel(protocol::Mode mode, uint64_t bytes) {
  if (mode != protocol::Mode::kSplice && bytes < loop_->options().sendfile_bytes_min) return false;
  if (unix_socket() || bytes < kPacedBytesMax) return true;
  if (!paced_.has_value()) paced_ = net::Paces(socket());
  return !*paced_;
}

// Sends what is gathered, header included, by a call of its own, so that the body can follow at
// once. False: it did not all go, and the rest is on its way.
bool Stream::SendGatheredNow() {
  const absl::Span<iovec> pieces = out_->Seal();
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  // MSG_MORE: TCP puts the beginning of the body into the same segment.
  const ssize_t sent = sendmsg(socket(), &message, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) {
    Abort();
    return false;
  }
  const size_t taken = sent < 0 ? 0 : static_cast<size_t>(sent);
  const absl::Span<iovec> rest = out_->Advance(taken);
  if (rest.empty()) {
    CountGathered(session::CountingNowNs());
    return true;
  }
  SendRest(rest);
  return false;
}

// Moves what the socket takes of the body. True: all of it has gone. False: the rest waits for the
// socket or the disk, or the connection is over.
bool Stream::MoveBody() {
  copypath::CachedObject* object = body_.object.get();
  const auto give_up = [&](absl::string_view why) {
    LOG_EVERY_T(WARNING, 1) << session_->PeerName() << ": closed in the middle of a body: " << why;
    Abort();
    return false;
  };
  if (std::exchange(body_.begun, true)) {
    // Time has passed since the answer was composed.
    const absl::Status unchanged = object->CheckUnchanged();
    if (!unchanged.ok()) return give_up(unchanged.message());
  }
  SetBlocking(false);
  const uint64_t turn_bytes = unix_socket() ? kMoveBytesMax : kTcpMoveBytesMax;
  uint64_t moved = 0;
  while (body_.at < body_.end) {
    if (!object->error().ok()) return give_up(object->error().message());
    const size_t index = body_.at / copypath::kWindowBytes;
    if (loop_->EnsureResident(object, index) != copypath::CachedObject::Residency::kResident) {
      WaitFor(object);
      return false;
    }
    const uint64_t until = std::min(object->Window(index).second, body_.end);
    if (until < body_.end) loop_->EnsureResident(object, index + 1);  // the disk reads ahead
    const uint64_t bytes = std::min(until - body_.at, turn_bytes - moved);
    const ssize_t sent = bytes == 0 ? -EAGAIN : MovePart(bytes);
    if (sent > 0) {
      moved += static_cast<uint64_t>(sent);
      body_.at += static_cast<uint64_t>(sent);
      continue;
    }
    if (sent == -EAGAIN) {
      AwaitRoom();
      UpdateDeadline(/*progress=*/moved > 0);
      return false;
    }
    if (sent == 0) return give_up(absl::StrCat(text::Quoted(object->uri()), " was cut"));
    if (sent == -EPIPE || sent == -ECONNRESET) {
      Abort();
      return false;
    }
    return give_up(
        absl::StrCat(text::Quoted(object->uri()), ": ", strerror(static_cast<int>(-sent))));
  }
  EndBody();
  return true;
}

// Moves from body_.at on what the socket takes of `bytes`, which are in the page cache. Returns
// bytes moved (0: the file ends here) or -errno (-EAGAIN: the socket is full).
ssize_t Stream::MovePart(uint64_t bytes) {
  if (body_.pipe == nullptr && bytes >= kPipedBytesMin) TakePipe();
  if (body_.pipe != nullptr) return MoveThroughPipe(bytes);
  ssize_t sent;
  do {
    off_t offset = static_cast<off_t>(body_.at);
    sent = sendfile(socket(), body_.object->fd(), &offset, bytes);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent;
}

ssize_t Stream::MoveThroughPipe(uint64_t bytes) {
  copypath::Pipe* const pipe = body_.pipe.get();
  if (pipe->empty()) {
    const ssize_t filled = pipe->Fill(body_.object->fd(), body_.at, bytes);
    if (filled <= 0) {
      GivePipeBack();
      return filled;
    }
  }
  const bool more = !unix_socket() && body_.at + pipe->held() < body_.end;
  const ssize_t sent = pipe->Drain(socket(), more);
  // What a full Unix socket leaves stays in the pipe for later. TCP clients may be slow for long:
  // others have the pipe meanwhile, and filling the rest in again costs nothing that could be
  // measured.
  if (pipe->empty() || (sent < 0 && !unix_socket())) GivePipeBack();
  return sent;
}

// A pipe's worth is best taken at once: with the 208 KiB that a Unix socket takes as it comes,
// server and reader wake each other five times for a megabyte. Only here, because whoever never
// asks for large bodies has nothing from it, and holds more if he stalls.
void Stream::TakePipe() {
  if (unix_socket() && !std::exchange(widened_, true))
    net::WidenSendBuffer(socket(), loop_->options().unix_send_buffer_bytes);
  body_.pipe = loop_->pipes()->Take();
}

void Stream::GivePipeBack() {
  if (body_.pipe != nullptr) loop_->pipes()->Give(std::move(body_.pipe));
}

// Stays as it is from one body to the next: to set and reset it for each costs 7 % of a body of 100
// KB.
void Stream::SetBlocking(bool blocking) {
  if (blocking == blocking_) return;
  int nonblocking = blocking ? 0 : 1;
  PCHECK(ioctl(socket(), FIONBIO, &nonblocking) == 0) << "FIONBIO";
  blocking_ = blocking;
}

void Stream::EndBody() {
  body_.object.reset();
  session_->answered.Add();
  Account(body_.receipt, session::CountingNowNs());
  UpdateDeadline(/*progress=*/true);
}

}  // namespace objmapper::loop
