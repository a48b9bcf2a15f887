// Large bodies out of the page cache without a copy, on the loop's thread: sendfile(2), and for TCP splice(2).
//
// On a Unix socket the pages themselves are queued, so the bytes are copied once, by the receiver; a copying
// send needs two. What is not in the page cache is brought in first, as for every body: nothing here
// waits for a disk. The price: a page that waits in the socket shows what is written over it, as with
// OP_SPLICE. Objects that are replaced (rename(2)) rather than rewritten are not touched by that.
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include <glog/logging.h>

#include "copypath/loop.h"
#include "copypath/stream.h"
#include "net/clock.h"

namespace objmapper::copypath {
namespace {

// What one stream moves before the others have their turn. TCP could take megabytes more, which would be out of the
// processor's caches again when the receiver comes to read them.
constexpr uint64_t kMoveBytesMax = 2 * kWindowBytes;
constexpr uint64_t kTcpMoveBytesMax = 1024 * 1024;

// sendfile(2) has no flag for it. The receive that a ring has armed does not mind: it is looked at inside
// Wait() alone.
class WithoutBlocking {
 public:
  explicit WithoutBlocking(int socket) : socket_(socket) { Set(1); }
  ~WithoutBlocking() { Set(0); }

 private:
  void Set(int on) { PCHECK(ioctl(socket_, FIONBIO, &on) == 0) << "FIONBIO"; }
  const int socket_;
};

// As sendfile(2), but through a pipe that holds a megabyte: sendfile's own feeds TCP 64 KiB at a time, and wakes the receiver
// for each. What the socket does not take stays in the pipe, to be discarded.
ssize_t SpliceOnce(Pipe* pipe, int file, uint64_t offset, size_t bytes, int socket, bool more) {
  ssize_t moved = pipe->Fill(file, offset, bytes);
  if (moved <= 0) {
    errno = static_cast<int>(-moved);
    return moved == 0 ? 0 : -1;
  }
  ssize_t sent = 0;
  while (!pipe->empty() && (moved = pipe->Drain(socket, more)) > 0) sent += moved;
  if (sent > 0) return sent;
  errno = static_cast<int>(-moved);
  return -1;
}

}  // namespace

bool Stream::GoesBySendfile(uint64_t bytes) const { return bytes >= loop_->options().sendfile_bytes_min; }

// Sends what is gathered, header included, by a call of its own, so that the body can follow at once.
// False: it did not all go, and the rest is on its way.
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
    CountGathered(router::CountingNowNs());
    return true;
  }
  sending_ = true;
  loop_->engine().Send(this, rest);
  return false;
}

// Moves what the socket takes of the body. True: all of it has gone. False: the rest waits for the socket
// or the disk, or the connection is over.
bool Stream::MoveBody() {
  CachedObject* object = body_.object.get();
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
  const WithoutBlocking without_blocking(socket());
  const uint64_t turn_bytes = unix_socket() ? kMoveBytesMax : kTcpMoveBytesMax;
  uint64_t moved = 0;
  while (body_.at < body_.end) {
    if (!object->error().ok()) return give_up(object->error().message());
    const size_t index = body_.at / kWindowBytes;
    if (loop_->EnsureResident(object, index) != CachedObject::Residency::kResident) {
      WaitFor(object);
      return false;
    }
    const uint64_t until = std::min(object->Window(index).second, body_.end);
    if (until < body_.end) loop_->EnsureResident(object, index + 1);  // the disk reads ahead
    off_t offset = static_cast<off_t>(body_.at);
    const uint64_t bytes = std::min(until - body_.at, turn_bytes - moved);
    Pipe* const pipe = unix_socket() || bytes == 0 ? nullptr : loop_->EmptyPipe();
    const ssize_t sent =
        bytes == 0        ? (errno = EAGAIN, -1)
        : pipe == nullptr ? sendfile(socket(), object->fd(), &offset, bytes)
                          : SpliceOnce(pipe, object->fd(), body_.at, bytes, socket(), body_.at + bytes < body_.end);
    if (sent > 0) {
      moved += static_cast<uint64_t>(sent);
      body_.at += static_cast<uint64_t>(sent);
      continue;
    }
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      awaiting_room_ = true;
      loop_->engine().AwaitWritable(this);
      UpdateDeadline(/*progress=*/moved > 0);
      return false;
    }
    if (sent == 0) return give_up(absl::StrCat("\"", object->uri(), "\" was cut"));
    if (errno == EPIPE || errno == ECONNRESET) {
      Abort();
      return false;
    }
    return give_up(absl::StrCat("\"", object->uri(), "\": ", strerror(errno)));
  }
  EndBody();
  return true;
}

void Stream::EndBody() {
  body_.object.reset();
  session_->answered.Add();
  Account(body_.receipt, router::CountingNowNs());
  UpdateDeadline(/*progress=*/true);
}

}  // namespace objmapper::copypath
