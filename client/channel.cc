// The handshake, requests and answers. What does not answer a request that is outstanding, in the
// way that was agreed on, breaks the stream.
#include "client/channel.h"

#include <sys/resource.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/error.h"
#include "protocol/limits.h"
#include "protocol/objm/encode.h"

namespace objmapper::client {
namespace {

using Kind = protocol::ResponseParser::Kind;
using Message = protocol::ResponseParser::Result;

constexpr uint16_t kFdCapabilities = protocol::kFdInHeader | protocol::kFdBatch;

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

absl::StatusOr<std::unique_ptr<Channel>> Channel::Open(absl::string_view url,
                                                       const Options& options) {
  if (options.dialect == protocol::Dialect::kUnknown) {
    return absl::InvalidArgumentError("options: the dialect must be V1 or V2");
  }
  if (std::min(options.connect_timeout, options.request_timeout) <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("options: timeouts must be positive");
  }
  if (options.token.size() > protocol::kTokenBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("options: the token has ", options.token.size(),
                                                   " bytes; at most ", protocol::kTokenBytesMax));
  }
  if (!options.token.empty() && options.dialect != protocol::Dialect::kV2)
    return absl::InvalidArgumentError("options: V1 carries no token");
  absl::StatusOr<std::unique_ptr<Stream>> stream = Stream::Connect(url, options);
  if (!stream.ok()) return stream.status();
  std::unique_ptr<Channel> channel(new Channel(*std::move(stream), options));
  if (options.dialect == protocol::Dialect::kV2) {
    if (absl::Status status = channel->Handshake(); !status.ok()) return status;
  }
  absl::Status status = channel->stream_->SetTimeout(options.request_timeout);
  if (!status.ok()) return status;
  return channel;
}

absl::Status Channel::Handshake() {
  absl::Status status = stream_->SetTimeout(options_.connect_timeout);
  if (!status.ok()) return status;
  uint16_t offer = is_unix() ? options_.capabilities : options_.capabilities & ~kFdCapabilities;
  // The ones imply the others.
  if ((offer & protocol::kFdBatch) != 0) offer |= protocol::kFdInHeader;
  if ((offer & protocol::kConditions) != 0) offer |= protocol::kMetadata;
  if (!options_.token.empty()) offer |= protocol::kAuth;
  char hello[protocol::kHelloBytes];
  outbox_.bytes()->append(hello, protocol::EncodeHello(offer, options_.max_pipeline, hello));
  if (status = outbox_.Flush(); !status.ok()) return status;
  absl::StatusOr<Message> message = NextMessage();
  if (!message.ok()) return message.status();
  if (message->kind == Kind::kResponse) {
    // A V1 error in HELLO_ACK's place; the server hangs up behind it.
    const std::optional<protocol::Metadata> metadata =
        protocol::ParseMetadata(message->response.metadata);
    return ServerError(message->response.status, absl::StrCat("HELLO to ", stream_->url()),
                       metadata.value_or(protocol::Metadata()));
  }
  if (message->kind != Kind::kHelloAck || (message->capabilities & ~offer) != 0) {
    return BreakAsWrong(stream_->url(), " answered HELLO with something else");
  }
  capabilities_ = message->capabilities;
  if (Has(protocol::kFdBatch)) capabilities_ |= protocol::kFdInHeader;
  parallelism_ = message->parallelism;
  if (Has(protocol::kPipelining)) {
    window_ = message->max_pipeline;
    if (options_.max_pipeline != 0) window_ = std::min<size_t>(window_, options_.max_pipeline);
    window_ = std::max<size_t>(window_, 1);
  }
  return options_.token.empty() ? absl::OkStatus() : SayToken();
}

absl::Status Channel::SayToken() {
  if (!Has(protocol::kAuth)) {
    return absl::FailedPreconditionError(
        absl::StrCat(stream_->url(),
                     " takes no tokens: it runs without --tokens_file, or does not "
                     "know them; the token was not sent"));
  }
  protocol::AppendAuth(options_.token, outbox_.bytes());
  // At once: a descriptor rides on the first byte of what is sent with it, its request's.
  return outbox_.Flush();
}

absl::Status Channel::Check(const protocol::RequestToSend& request) const {
  using protocol::Mode;
  const auto what = [&request] { return WhatWasAsked(request.mode, request.uri); };
  const auto missing = [&](absl::string_view thing, absl::string_view capability) {
    return absl::FailedPreconditionError(absl::StrCat(
        what(), ": ", thing, " V2 and the ", capability, " capability, which ", stream_->url(),
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
  if (!is_unix() && (request.mode == Mode::kFdPass || request.mode == Mode::kPutFd)) {
    return absl::InvalidArgumentError(
        absl::StrCat(what(), ": descriptors pass only through Unix sockets, not ", stream_->url(),
                     "; use ", request.mode == Mode::kFdPass ? "OP_COPY or OP_SPLICE" : "OP_PUT"));
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
  if ((request.flags & protocol::kFlagThrough) != 0 && !Has(protocol::kListThrough)) {
    return missing("a list of what origins have needs", "LIST_THROUGH");
  }
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> Channel::Queue(protocol::RequestToSend request) {
  if (!broken().ok()) return broken();
  if (outstanding_ == 0) {
    mode_ = request.mode;
    stream_->fds().BeginAnew();
    stream_->LetFdsCome(mode_ == protocol::Mode::kFdPass);
  }
  assert(request.mode == mode_);
  if (mode_ == protocol::Mode::kFdPass) stream_->fds().Expect();
  if (options_.dialect == protocol::Dialect::kV2) {
    request.id = next_id_++;
    if (next_id_ == 0) next_id_ = 1;
  }
  protocol::AppendRequest(options_.dialect, request, outbox_.bytes());
  ++outstanding_;
  return request.id;
}

absl::StatusOr<Message> Channel::NextMessage() {
  // For the whole of it: a byte now and then does not prolong it.
  net::Patience patience = stream_->patience();
  bool began = true;
  while (true) {
    if (!broken().ok()) return broken();
    Message message = parser_.Next(stream_->input());
    if (message.kind == Kind::kBroken) {
      return BreakAsWrong(stream_->url(), " does not use this protocol: ", message.reason);
    }
    if (message.kind != Kind::kNeedMore) {
      stream_->Consume(message.consumed);  // its views stay good until the next read
      return message;
    }
    absl::Status status = stream_->Fill(&patience, std::exchange(began, false));
    if (!status.ok()) return status;
  }
}

absl::StatusOr<Answer> Channel::Receive() {
  absl::StatusOr<Message> message = NextMessage();
  if (!message.ok()) return message.status();
  if (message->kind == Kind::kClose) {
    return Break(absl::UnavailableError(absl::StrCat(
        stream_->url(), " closed the connection: ", CloseReasonText(message->close_reason),
        " (reason ", static_cast<int>(message->close_reason), ")")));
  }
  if (message->kind != Kind::kResponse || outstanding_ == 0) {
    return BreakAsWrong(stream_->url(), " sent an unrequested message");
  }
  std::optional<protocol::Metadata> metadata = protocol::ParseMetadata(message->response.metadata);
  if (!metadata.has_value()) {
    return BreakAsWrong(stream_->url(), " sent metadata that do not parse");
  }
  Answer answer;
  answer.id = message->response.id;
  answer.status = message->response.status;
  answer.content_length = message->response.content_length;
  answer.metadata = *std::move(metadata);
  --outstanding_;
  const bool ok = answer.status == protocol::Status::kOk;
  if (mode_ == protocol::Mode::kFdPass && !ok) stream_->fds().ExpectOneLess();
  if (stream_->fds().too_many()) return BreakAsWrong(stream_->url(), kTooManyFds);
  const absl::string_view wrong = WrongBody(answer, mode_, Has(protocol::kFdInHeader));
  if (!wrong.empty()) {
    return BreakAsWrong(stream_->url(), " sent ", wrong, ", of ", answer.content_length, " bytes");
  }
  if (options_.dialect == protocol::Dialect::kV2 && answer.id == 0 && !ok) {
    // No request has id 0: the server lost its place in our stream, says so, and hangs up.
    return Break(ServerError(answer.status, stream_->url(), answer.metadata));
  }
  if (EndsConnection(answer.status)) {
    Abandon(absl::StrCat(stream_->url(), " hung up after it answered ",
                         protocol::StatusName(answer.status)));
  }
  return answer;
}

absl::StatusOr<net::UniqueFd> Channel::TakeFd() {
  if (!Has(protocol::kFdInHeader)) {
    // The descriptor rides on a byte of its own behind the header.
    net::Patience patience = stream_->patience();
    if (!has_input()) {
      absl::Status status = stream_->Fill(&patience, /*began=*/true);
      if (!status.ok()) return status;
    }
    const char carrier = stream_->input().front();
    stream_->Consume(1);
    if (carrier != 'X') {
      return BreakAsWrong(stream_->url(),
                          " sent other bytes in place of the byte that carries a descriptor");
    }
  }
  net::UniqueFd fd = stream_->fds().Take();
  if (fd.valid()) return fd;
  if (stream_->fds().lost()) return DescriptorsLost();
  return BreakAsWrong(stream_->url(), " answered OK without a descriptor");
}

absl::Status Channel::Close() {
  if (!broken().ok()) return broken();
  absl::Status result;
  if (options_.dialect == protocol::Dialect::kV2) {
    char close[protocol::kCloseBytes];
    outbox_.bytes()->append(close, protocol::EncodeClose(protocol::CloseReason::kNormal, close));
    result = outbox_.Flush();
    // A CLOSE of the server's own may cross ours; then no CLOSE_ACK comes.
    if (result.ok()) result = NextMessage().status();
  }
  Abandon("this side closed it");
  return result;
}

}  // namespace objmapper::client
