// Sends what is queued: nothing here waits for room alone while the server has something to say,
// but for Flush(), whose caller knows that it has not.
#include "client/outbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "net/errno_status.h"
#include "net/patience.h"
#include "net/scm_rights.h"

namespace objmapper::client {
namespace {

// Between two looks at whether the server has said something.
constexpr uint64_t kSendFileBytes = 1024 * 1024;

// While it lives, SIGPIPE does not reach the thread that made it: sendfile(2) on a socket whose
// peer has gone then fails with EPIPE alone. A library must not change the whole process's
// handling. One that was pending before stays pending; one that came meanwhile is taken away.
class SigpipeBlock {
 public:
  SigpipeBlock() {
    sigset_t pending;
    sigemptyset(&set_);
    sigaddset(&set_, SIGPIPE);
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
  }
  ~SigpipeBlock() {
    constexpr timespec kNow{};
    if (!was_pending_) sigtimedwait(&set_, nullptr, &kNow);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SigpipeBlock(const SigpipeBlock&) = delete;
  SigpipeBlock& operator=(const SigpipeBlock&) = delete;

 private:
  sigset_t set_;
  sigset_t before_;
  bool was_pending_ = false;
};

}  // namespace

absl::Span<char> Outbox::Room(size_t bytes) {
  bytes_.resize(bytes_.size() + bytes);
  return absl::MakeSpan(&bytes_[bytes_.size() - bytes], bytes);
}

absl::Status Outbox::Send(short wanted) {
  if (!stream_.broken().ok()) return stream_.broken();
  while (sent_ < bytes_.size() && !send_failed_) {
    const ssize_t sent =
        net::SendWithFds(stream_.socket(), absl::string_view(bytes_).substr(sent_),
                         absl::MakeConstSpan(&fd_to_send_, fd_to_send_ < 0 ? 0 : 1));
    if (sent >= 0) {
      sent_ += static_cast<size_t>(sent);
      fd_to_send_ = -1;
    } else if (errno == EAGAIN) {
      if (absl::Status status = AwaitSocket(wanted); !status.ok()) return status;
      if ((wanted & POLLIN) != 0 && stream_.HasAnswer()) return absl::OkStatus();
    } else if (errno == EPERM && fd_to_send_ >= 0) {
      // The server takes none on this connection (SO_PASSRIGHTS): without it, it says why.
      fd_to_send_ = -1;
    } else if (errno == EPIPE || errno == ECONNRESET) {
      send_failed_ = true;
    } else {
      return stream_.Break(net::ErrnoToStatus(errno, absl::StrCat("send to ", stream_.url())));
    }
  }
  if (sent_ == bytes_.size()) {
    bytes_.clear();
    sent_ = 0;
  }
  return absl::OkStatus();
}

absl::Status Outbox::AwaitSocket(short events) {
  if (net::Patience(timeout_).Await(stream_.socket(), events)) return absl::OkStatus();
  return stream_.Break(absl::DeadlineExceededError(
      absl::StrCat(stream_.url(), " read nothing for ", absl::FormatDuration(timeout_))));
}

absl::Status Outbox::Flush() { return Send(POLLOUT); }

absl::Status Outbox::FlushWithFd(int fd) {
  fd_to_send_ = fd;
  const absl::Status status = Flush();
  fd_to_send_ = -1;
  return status;
}

absl::Status Outbox::FlushOrAwaitInput() {
  return stream_.has_input() ? absl::OkStatus() : Send(POLLIN | POLLOUT);
}

absl::StatusOr<uint64_t> Outbox::SendFile(int file, uint64_t length,
                                          const ProgressCallback& progress) {
  if (absl::Status status = Flush(); !status.ok()) return status;
  const SigpipeBlock no_signal;
  // sendfile(2) has no MSG_DONTWAIT: meanwhile the socket itself does not block.
  const int flags = fcntl(stream_.socket(), F_GETFL);
  fcntl(stream_.socket(), F_SETFL, flags | O_NONBLOCK);
  const absl::Cleanup blocks_again = [this, flags] { fcntl(stream_.socket(), F_SETFL, flags); };
  uint64_t sent = 0;
  absl::Status end;
  while (sent < length && !send_failed_) {
    if (end = AwaitSocket(POLLIN | POLLOUT); !end.ok()) break;
    if (stream_.HasAnswer()) break;
    off_t offset = static_cast<off_t>(sent);
    const ssize_t n =
        sendfile(stream_.socket(), file, &offset, std::min(length - sent, kSendFileBytes));
    if (n > 0) {
      sent += static_cast<uint64_t>(n);
      if (progress) progress(sent, length);
    } else if (n == 0) {
      end = absl::DataLossError(absl::StrCat("the file has ended after ", sent, " of the ", length,
                                             " bytes that it had: it was truncated meanwhile"));
      break;
    } else if (errno == EPIPE || errno == ECONNRESET) {
      send_failed_ = true;
    } else if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP) {
      break;  // sendfile(2): "may wish to fall back to read and write"
    } else if (errno != EAGAIN && errno != EINTR) {
      end = net::ErrnoToStatus(errno, absl::StrCat("sendfile to ", stream_.url()));
      break;
    }
  }
  if (!end.ok()) stream_.Abandon(absl::StrCat("a body was not sent completely: ", end.message()));
  return end.ok() ? absl::StatusOr<uint64_t>(sent) : end;
}

}  // namespace objmapper::client
