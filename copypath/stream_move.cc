// Large bodies out of the page cache without a copy: sendfile(2) on the loop's thread.
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

// Longer bodies TCP takes faster from a mapping of the page cache, a megabyte in one call, OP_SPLICE's too: sendfile(2) feeds it 64 KiB
// at a time, wakes the receiver for each, and hands it sixteen pages where a copy fills two large ones of its own. A pipe of
// a megabyte between the two, filled by splice(2), cures the first and not the second.
constexpr uint64_t kTcpBytesMax = 512 * 1024;

// What one stream moves before the others have their turn. TCP takes megabytes at once, which are out of
// the processor's caches again when the receiver comes to read them.
constexpr uint64_t kMoveBytesMax = 2 * kWindowBytes;
constexpr uint64_t kTcpMoveBytesMax = 256 * 1024;

}  // namespace

bool Stream::GoesBySendfile(protocol::Mode mode, uint64_t bytes) const {
  const bool wanted = mode == protocol::Mode::kSplice || bytes >= loop_->options().sendfile_bytes_min;
  return wanted && (unix_socket() || bytes < kTcpBytesMax);
}

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
  SetBlocking(false);
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
    const ssize_t sent =
        bytes == 0 ? (errno = EAGAIN, -1) : sendfile(socket(), object->fd(), &offset, bytes);
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

// Stays as it is from one body to the next: to set and reset it for each costs 7 % of a body of 100 KB.
void Stream::SetBlocking(bool blocking) {
  if (blocking == blocking_) return;
  int nonblocking = blocking ? 0 : 1;
  PCHECK(ioctl(socket(), FIONBIO, &nonblocking) == 0) << "FIONBIO";
  blocking_ = blocking;
}

void Stream::EndBody() {
  body_.object.reset();
  session_->answered.Add();
  Account(body_.receipt, router::CountingNowNs());
  UpdateDeadline(/*progress=*/true);
}

}  // namespace objmapper::copypath
