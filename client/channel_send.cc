// The sending half of a channel.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "client/channel.h"
#include "client/error.h"
#include "net/errno_status.h"
#include "net/pass_rights.h"
#include "net/scm_rights.h"
#include "protocol/limits.h"
#include "protocol/objm/encode.h"

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

// The modes that every server offers, in either dialect.
bool IsReading(protocol::Mode mode) {
  return mode == protocol::Mode::kFdPass || mode == protocol::Mode::kCopy ||
         mode == protocol::Mode::kSplice || mode == protocol::Mode::kStat;
}

}  // namespace

protocol::RequestToSend RequestFor(protocol::Mode mode, absl::string_view uri,
                                   const std::optional<Range>& range) {
  protocol::RequestToSend request;
  request.mode = mode;
  request.uri = uri;
  if (range.has_value()) {
    request.flags = protocol::kFlagRange;
    request.offset = range->offset;
    request.length = range->length;
  }
  return request;
}

absl::Status Channel::Check(const protocol::RequestToSend& request) const {
  using protocol::Mode;
  const auto what = [&request] { return WhatWasAsked(request.mode, request.uri); };
  const auto missing = [&](absl::string_view thing, absl::string_view capability) {
    return absl::FailedPreconditionError(absl::StrCat(
        what(), ": ", thing, " V2 and the ", capability, " capability, which ", url_,
        options_.dialect == protocol::Dialect::kV1 ? " was not asked for" : " does not have"));
  };
  // The prefix of a LIST may be empty: all objects.
  if (request.uri.empty() && request.mode != Mode::kList) {
    return absl::InvalidArgumentError("a URI must not be empty");
  }
  if (request.uri.size() > protocol::kUriBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat(what(), ": a URI has at most ",
                                                   protocol::kUriBytesMax, " bytes, this one has ",
                                                   request.uri.size()));
  }
  if (!is_unix_ && (request.mode == Mode::kFdPass || request.mode == Mode::kPutFd)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what(), ": descriptors pass only through Unix sockets, not ", url_, "; use ",
                     request.mode == Mode::kFdPass ? "OP_COPY or OP_SPLICE" : "OP_PUT"));
  }
  if (!IsReading(request.mode) && !Has(protocol::kObjectOps)) {
    return missing("it needs", "OBJECT_OPS");
  }
  if ((request.flags & protocol::kFlagRange) != 0 && !Has(protocol::kRange)) {
    return missing("ranges need", "RANGE");
  }
  if ((request.flags & protocol::kFlagMetadata) != 0 && !Has(protocol::kMetadata)) {
    return missing("a time to live needs", "METADATA");
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> Channel::Queue(protocol::RequestToSend request) {
  if (!broken_.ok()) return broken_;
  if (outstanding_ == 0) {
    // All answers are in, so every descriptor that came has found its own.
    fds_lost_ = false;
    mode_ = request.mode;
    const bool brings_fds = mode_ == protocol::Mode::kFdPass;
    if (is_unix_ && rights_pass_ != brings_fds) {
      net::AllowFds(socket_.get(), rights_pass_ = brings_fds);
    }
  }
  assert(request.mode == mode_);
  if (mode_ == protocol::Mode::kFdPass) ++fds_due_;
  if (options_.dialect == protocol::Dialect::kV2) {
    request.id = next_id_++;
    if (next_id_ == 0) next_id_ = 1;
  }
  protocol::AppendRequest(options_.dialect, request, &output_);
  ++outstanding_;
  return request.id;
}

absl::Span<char> Channel::QueueBody(size_t bytes) {
  output_.resize(output_.size() + bytes);
  return absl::MakeSpan(&output_[output_.size() - bytes], bytes);
}

absl::Status Channel::Send(short wanted) {
  if (!broken_.ok()) return broken_;
  while (sent_ < output_.size() && !send_failed_) {
    const ssize_t sent =
        net::SendWithFds(socket_.get(), absl::string_view(output_).substr(sent_),
                         absl::MakeConstSpan(&fd_to_send_, fd_to_send_ < 0 ? 0 : 1));
    if (sent >= 0) {
      sent_ += static_cast<size_t>(sent);
      fd_to_send_ = -1;
    } else if (errno == EAGAIN) {
      if (absl::Status status = AwaitSocket(wanted); !status.ok()) return status;
      if ((wanted & POLLIN) != 0 && HasAnswer()) return absl::OkStatus();
    } else if (errno == EPERM && fd_to_send_ >= 0) {
      // The server takes none on this connection (SO_PASSRIGHTS): without it, it says why.
      fd_to_send_ = -1;
    } else if (errno == EPIPE || errno == ECONNRESET) {
      send_failed_ = true;
    } else {
      return Break(net::ErrnoToStatus(errno, absl::StrCat("send to ", url_)));
    }
  }
  if (sent_ == output_.size()) {
    output_.clear();
    sent_ = 0;
  }
  return absl::OkStatus();
}

absl::Status Channel::AwaitSocket(short events) {
  if (net::Patience(options_.request_timeout).Await(socket_.get(), events)) return absl::OkStatus();
  return Break(absl::DeadlineExceededError(
      absl::StrCat(url_, " read nothing for ", absl::FormatDuration(options_.request_timeout))));
}

absl::Status Channel::Flush() { return Send(POLLOUT); }

absl::Status Channel::FlushWithFd(int fd) {
  fd_to_send_ = fd;
  const absl::Status status = Flush();
  fd_to_send_ = -1;
  return status;
}

bool Channel::HasAnswer() const {
  if (has_input()) return true;
  pollfd entry{socket_.get(), POLLIN, 0};
  return poll(&entry, 1, 0) > 0;
}

absl::Status Channel::FlushOrAwaitInput() {
  return has_input() ? absl::OkStatus() : Send(POLLIN | POLLOUT);
}

absl::StatusOr<uint64_t> Channel::SendFile(int file, uint64_t length,
                                           const ProgressCallback& progress) {
  if (absl::Status status = Flush(); !status.ok()) return status;
  const SigpipeBlock no_signal;
  // sendfile(2) has no MSG_DONTWAIT: meanwhile the socket itself does not block.
  const int flags = fcntl(socket_.get(), F_GETFL);
  fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK);
  const absl::Cleanup blocks_again = [this, flags] { fcntl(socket_.get(), F_SETFL, flags); };
  uint64_t sent = 0;
  absl::Status end;
  while (sent < length && !send_failed_) {
    if (end = AwaitSocket(POLLIN | POLLOUT); !end.ok()) break;
    if (HasAnswer()) break;
    off_t offset = static_cast<off_t>(sent);
    const ssize_t n =
        sendfile(socket_.get(), file, &offset, std::min(length - sent, kSendFileBytes));
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
      end = net::ErrnoToStatus(errno, absl::StrCat("sendfile to ", url_));
      break;
    }
  }
  if (!end.ok()) Abandon(absl::StrCat("a body was not sent completely: ", end.message()));
  return end.ok() ? absl::StatusOr<uint64_t>(sent) : end;
}

}  // namespace objmapper::client
