// The connection's bytes. After Break() no further byte is read or sent, since the position in the
// stream is unknown; a read takes descriptors only while an answer with one is expected.
#include "client/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/error.h"
#include "net/address.h"
#include "net/dial.h"
#include "net/errno_status.h"
#include "net/pass_rights.h"
#include "net/peer_credentials.h"
#include "net/scm_rights.h"
#include "protocol/limits.h"
#include "protocol/objm/encode.h"

namespace objmapper::client {
namespace {

using Kind = protocol::ResponseParser::Kind;
using Message = protocol::ResponseParser::Result;

constexpr uint16_t kFdCapabilities = protocol::kFdInHeader | protocol::kFdBatch;

// Bodies smaller than this are read through the input buffer, which may bring the next answer too.
constexpr size_t kDirectReadBytes = 4096;

constexpr absl::string_view kTooManyFds = " sent more descriptors than OK answers that carry one";

absl::string_view CloseReasonText(protocol::CloseReason reason) {
  switch (reason) {
    case protocol::CloseReason::kNormal:
      return "the connection has had all its answers";
    case protocol::CloseReason::kIdleTimeout:
      return "the connection was idle for too long";
    case protocol::CloseReason::kProtocolError:
      return "it could not understand this client";
    case protocol::CloseReason::kShuttingDown:
      return "it is shutting down";
  }
  return "for a reason unknown to this client";
}

absl::Status DescriptorsLost() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return absl::ResourceExhaustedError(absl::StrCat(
      "the kernel dropped a received descriptor: this process has reached RLIMIT_NOFILE (",
      limit.rlim_cur, " descriptors; hard limit ", limit.rlim_max,
      "); close some, get fewer at a time, or raise the limit (ulimit -n, LimitNOFILE=)"));
}

// After these a server no longer knows its place in our stream.
bool EndsConnection(protocol::Status status) {
  return status == protocol::Status::kUriTooLong || status == protocol::Status::kProtocolError ||
         status == protocol::Status::kVersionMismatch;
}

// Why an answer's body is not as long as one of its kind may be; empty: it may be so.
absl::string_view WrongBody(const Answer& answer, protocol::Mode mode, bool fd_in_header) {
  const bool is_ok = answer.status == protocol::Status::kOk;
  const bool brings_bytes = mode == protocol::Mode::kCopy || mode == protocol::Mode::kSplice ||
                            mode == protocol::Mode::kList;
  if (answer.content_length == 0 || (is_ok && brings_bytes)) return "";
  if (!is_ok) return "an error with a body";
  if (mode != protocol::Mode::kFdPass) return "an unexpected body";
  return fd_in_header ? "" : "a descriptor with a body";
}

}  // namespace

Channel::Channel(net::UniqueFd socket, std::string url, bool is_unix, const Options& options)
    : socket_(std::move(socket)),
      url_(std::move(url)),
      is_unix_(is_unix),
      options_(options),
      parser_(options.dialect) {
  if (is_unix_) net::AllowFds(socket_.get(), rights_pass_ = false);
}

absl::StatusOr<std::unique_ptr<Channel>> Channel::Open(absl::string_view url,
                                                       const Options& options) {
  if (options.dialect == protocol::Dialect::kUnknown) {
    return absl::InvalidArgumentError("options: the dialect must be V1 or V2");
  }
  if (std::min(options.connect_timeout, options.request_timeout) <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("options: timeouts must be positive");
  }
  absl::StatusOr<net::Address> address = net::ParseUrl(url);
  if (!address.ok()) return address.status();
  if (!options.server_uids.empty() && address->kind != net::Address::Kind::kUnix) {
    return absl::InvalidArgumentError(absl::StrCat(
        "options: the server's user is known only for a Unix socket, not for ", address->ToUrl()));
  }
  absl::StatusOr<net::UniqueFd> socket = net::Dial(*address, options.connect_timeout);
  if (!socket.ok()) return ConnectionError(socket.status());
  std::unique_ptr<Channel> channel(new Channel(
      *std::move(socket), address->ToUrl(), address->kind == net::Address::Kind::kUnix, options));
  if (absl::Status status = channel->CheckServerUser(); !status.ok()) return status;
  if (options.dialect == protocol::Dialect::kV2) {
    if (absl::Status status = channel->Handshake(); !status.ok()) return status;
  }
  if (absl::Status status = channel->SetReceiveTimeout(options.request_timeout); !status.ok())
    return status;
  return channel;
}

absl::Status Channel::CheckServerUser() const {
  if (options_.server_uids.empty()) return absl::OkStatus();
  // Of a connection that was made, the peer is who called listen(2) (unix(7), SO_PEERCRED).
  const net::PeerCredentials peer = net::PeerCredentialsOf(socket_.get());
  if (peer.known() && absl::c_linear_search(options_.server_uids, peer.uid))
    return absl::OkStatus();
  return ConnectionError(absl::PermissionDeniedError(absl::StrCat(
      url_, ": the server there is ", peer.known() ? absl::StrCat("uid ", peer.uid) : "not known",
      ", not uid ", absl::StrJoin(options_.server_uids, " or "), "; no request was sent")));
}

absl::Status Channel::Handshake() {
  if (absl::Status status = SetReceiveTimeout(options_.connect_timeout); !status.ok())
    return status;
  uint16_t offer = is_unix_ ? options_.capabilities : options_.capabilities & ~kFdCapabilities;
  if ((offer & protocol::kFdBatch) != 0) offer |= protocol::kFdInHeader;  // the one implies it
  char hello[protocol::kHelloBytes];
  output_.assign(hello, protocol::EncodeHello(offer, options_.max_pipeline, hello));
  if (absl::Status status = Flush(); !status.ok()) return status;
  absl::StatusOr<Message> message = NextMessage();
  if (!message.ok()) return message.status();
  if (message->kind == Kind::kResponse) {
    // A V1 error in HELLO_ACK's place; the server hangs up behind it.
    const std::optional<protocol::Metadata> metadata =
        protocol::ParseMetadata(message->response.metadata);
    return ServerError(message->response.status, absl::StrCat("HELLO to ", url_),
                       metadata.value_or(protocol::Metadata()));
  }
  if (message->kind != Kind::kHelloAck || (message->capabilities & ~offer) != 0) {
    return BreakAsWrong(url_, " answered HELLO with something else");
  }
  capabilities_ = message->capabilities;
  if (Has(protocol::kFdBatch)) capabilities_ |= protocol::kFdInHeader;
  parallelism_ = message->parallelism;
  if (Has(protocol::kPipelining)) {
    window_ = message->max_pipeline;
    if (options_.max_pipeline != 0) window_ = std::min<size_t>(window_, options_.max_pipeline);
    window_ = std::max<size_t>(window_, 1);
  }
  return absl::OkStatus();
}

absl::Status Channel::SetReceiveTimeout(absl::Duration timeout) {
  // A zero timeval means "forever" (socket(7)); a wait that rounds to zero must not become one.
  timeval value{};
  if (timeout != absl::InfiniteDuration()) {
    value = absl::ToTimeval(std::max(timeout, absl::Microseconds(1)));
  }
  if (setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &value, sizeof(value)) != 0) {
    return net::ErrnoToStatus(errno, absl::StrCat("setsockopt SO_RCVTIMEO for ", url_));
  }
  receive_timeout_ = timeout;
  return absl::OkStatus();
}

void Channel::Abandon(absl::string_view why) {
  if (!broken_.ok()) return;
  broken_ = ConnectionError(
      absl::UnavailableError(absl::StrCat("this connection can no longer be used: ", why)));
  socket_.Reset();
  fds_.clear();
  begin_ = end_ = 0;
}

absl::Status Channel::Break(absl::Status why) {
  Abandon(why.message());
  return ConnectionError(std::move(why));
}

absl::StatusOr<size_t> Channel::Read(absl::Span<char> out, net::Patience* patience, bool began) {
  std::vector<net::UniqueFd> received;
  // Behind a lost descriptor fds_ no longer tells how many have come.
  const size_t due = std::min(fds_due_ - fds_.size(), net::kFdsPerMessageMax);
  // The whole wait is mostly one call, and the kernel keeps its time (SO_RCVTIMEO). It forgets it
  // when a signal comes, and may have been stopped with us: what is left of it is ours to keep.
  bool interrupted = false;
  absl::StatusOr<net::Received> got =
      net::RecvWithFds(socket_.get(), out, due, &received, began ? 0 : MSG_DONTWAIT, &interrupted);
  // On a stream socket this code is EAGAIN's, and EINTR's, alone.
  while (got.status().code() == absl::StatusCode::kResourceExhausted) {
    if (!patience->Await(socket_.get(), POLLIN)) {
      return Break(absl::DeadlineExceededError(
          absl::StrCat(url_, " was silent for ", absl::FormatDuration(receive_timeout_))));
    }
    got = net::RecvWithFds(socket_.get(), out, due, &received, MSG_DONTWAIT, &interrupted);
  }
  if (!got.ok()) {
    return Break(About(absl::StrCat("read from ", url_), got.status()));
  }
  if (got->fds_surplus) return BreakAsWrong(url_, kTooManyFds);
  // Behind a lost descriptor nobody knows whose the next ones are: they are closed here.
  if (!fds_lost_) {
    for (net::UniqueFd& fd : received) fds_.push_back(std::move(fd));
  }
  fds_lost_ |= got->fds_lost;
  return got->bytes;
}

absl::Status Channel::FillInput(net::Patience* patience, bool began) {
  if (begin_ > 0) {
    memmove(input_, input_ + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  absl::StatusOr<size_t> got =
      Read(absl::MakeSpan(input_ + end_, kInputBytes - end_), patience, began);
  if (!got.ok()) return got.status();
  if (*got == 0) {
    return Break(absl::UnavailableError(
        absl::StrCat(url_, " closed the connection ",
                     has_input() ? "in the middle of an answer" : "without an answer")));
  }
  end_ += *got;
  return absl::OkStatus();
}

absl::StatusOr<Message> Channel::NextMessage() {
  // For the whole of it: a byte now and then does not prolong it.
  net::Patience patience(receive_timeout_);
  bool began = true;
  while (true) {
    if (!broken_.ok()) return broken_;
    Message message = parser_.Next(input());
    if (message.kind == Kind::kBroken) {
      return BreakAsWrong(url_, " does not use this protocol: ", message.reason);
    }
    if (message.kind != Kind::kNeedMore) {
      begin_ += message.consumed;  // its views stay good until the next read
      return message;
    }
    if (absl::Status status = FillInput(&patience, std::exchange(began, false)); !status.ok())
      return status;
  }
}

absl::StatusOr<Answer> Channel::Receive() {
  absl::StatusOr<Message> message = NextMessage();
  if (!message.ok()) return message.status();
  if (message->kind == Kind::kClose) {
    return Break(absl::UnavailableError(
        absl::StrCat(url_, " closed the connection: ", CloseReasonText(message->close_reason),
                     " (reason ", static_cast<int>(message->close_reason), ")")));
  }
  if (message->kind != Kind::kResponse || outstanding_ == 0) {
    return BreakAsWrong(url_, " sent an unrequested message");
  }
  std::optional<protocol::Metadata> metadata = protocol::ParseMetadata(message->response.metadata);
  if (!metadata.has_value()) {
    return BreakAsWrong(url_, " sent metadata that do not parse");
  }
  Answer answer;
  answer.id = message->response.id;
  answer.status = message->response.status;
  answer.content_length = message->response.content_length;
  answer.metadata = *std::move(metadata);
  --outstanding_;
  const bool ok = answer.status == protocol::Status::kOk;
  if (mode_ == protocol::Mode::kFdPass && !ok) --fds_due_;  // else TakeFd() does
  if (fds_.size() > fds_due_) return BreakAsWrong(url_, kTooManyFds);
  const absl::string_view wrong = WrongBody(answer, mode_, Has(protocol::kFdInHeader));
  if (!wrong.empty()) {
    return BreakAsWrong(url_, " sent ", wrong, ", of ", answer.content_length, " bytes");
  }
  if (options_.dialect == protocol::Dialect::kV2 && answer.id == 0 && !ok) {
    // No request has id 0: the server lost its place in our stream, says so, and hangs up.
    return Break(ServerError(answer.status, url_, answer.metadata));
  }
  if (EndsConnection(answer.status)) {
    Abandon(absl::StrCat(url_, " hung up after it answered ", protocol::StatusName(answer.status)));
  }
  return answer;
}

absl::StatusOr<net::UniqueFd> Channel::TakeFd() {
  if (!Has(protocol::kFdInHeader)) {
    // The descriptor rides on a byte of its own behind the header.
    net::Patience patience(receive_timeout_);
    while (!has_input()) {
      if (!broken_.ok()) return broken_;
      if (absl::Status status = FillInput(&patience, /*began=*/true); !status.ok()) return status;
    }
    if (input_[begin_++] != 'X') {
      return BreakAsWrong(url_, " sent other bytes in place of the byte that carries a descriptor");
    }
  }
  --fds_due_;
  if (!fds_.empty()) {
    net::UniqueFd fd = std::move(fds_.front());
    fds_.pop_front();
    return fd;
  }
  if (fds_lost_) return DescriptorsLost();
  return BreakAsWrong(url_, " answered OK without a descriptor");
}

absl::StatusOr<size_t> Channel::ReadBody(absl::Span<char> out) {
  if (!broken_.ok()) return broken_;
  if (!has_input() && out.size() < kDirectReadBytes) {
    // Not FillInput(): the end of the stream means something else here.
    begin_ = end_ = 0;
    absl::StatusOr<size_t> got = Read(absl::MakeSpan(input_, kInputBytes));
    if (!got.ok()) return got.status();
    end_ = *got;
  }
  size_t bytes = std::min(out.size(), end_ - begin_);
  if (bytes > 0) {
    memcpy(out.data(), input_ + begin_, bytes);
    begin_ += bytes;
    return bytes;
  }
  if (out.size() >= kDirectReadBytes) {
    absl::StatusOr<size_t> got = Read(out);
    if (!got.ok()) return got.status();
    bytes = *got;
  }
  if (bytes > 0) return bytes;
  return Break(absl::DataLossError(
      absl::StrCat(url_, " closed the connection in the middle of an object's bytes")));
}

absl::Status Channel::Close() {
  if (!broken_.ok()) return broken_;
  absl::Status result;
  if (options_.dialect == protocol::Dialect::kV2) {
    char close[protocol::kCloseBytes];
    output_.append(close, protocol::EncodeClose(protocol::CloseReason::kNormal, close));
    result = Flush();
    // A CLOSE of the server's own may cross ours; then no CLOSE_ACK comes.
    if (result.ok()) result = NextMessage().status();
  }
  Abandon("this side closed it");
  return result;
}

}  // namespace objmapper::client
