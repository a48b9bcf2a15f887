// Requests out, answers in, on one connection: a stream (client/stream.h), what is to go out on it
// (client/outbox.h), and what both sides have agreed on.
//
// Once the stream is broken every later call returns why. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "client/object.h"
#include "client/options.h"
#include "client/outbox.h"
#include "client/stream.h"
#include "net/unique_fd.h"
#include "protocol/mode.h"
#include "protocol/objm/encode.h"
#include "protocol/objm/metadata.h"
#include "protocol/objm/response_parser.h"
#include "protocol/status.h"

namespace objmapper::client {

// An answer without its body or descriptor, which the caller takes from the channel next.
struct Answer {
  uint32_t id = 0;  // V1: 0
  protocol::Status status = protocol::Status::kOk;
  uint64_t content_length = 0;
  protocol::Metadata metadata;
};

// One of the requests that every dialect has.
protocol::RequestToSend RequestFor(protocol::Mode mode, absl::string_view uri,
                                   const std::optional<Range>& range);

class Channel {
 public:
  // Connects, and in V2 agrees on capabilities. `url` as net::ParseUrl().
  //
  // Errors: INVALID_ARGUMENT (an option), FAILED_PRECONDITION (Options::token, to a server that
  // takes none); as net::ParseUrl() and net::Dial(); an error that the server gives in place of
  // HELLO_ACK as ServerError(); UNAVAILABLE or DEADLINE_EXCEEDED when nothing comes.
  static absl::StatusOr<std::unique_ptr<Channel>> Open(absl::string_view url,
                                                       const Options& options);

  // As Stream's.
  const absl::Status& broken() const { return stream_->broken(); }
  absl::Status Break(absl::Status why) { return stream_->Break(std::move(why)); }
  template <typename... Parts>
  absl::Status BreakAsWrong(const Parts&... parts) {
    return stream_->BreakAsWrong(parts...);
  }
  void Abandon(absl::string_view why) { stream_->Abandon(why); }
  bool is_unix() const { return stream_->is_unix(); }
  bool has_input() const { return stream_->has_input(); }
  bool HasAnswer() const { return stream_->HasAnswer(); }
  // Of the body behind the answer that Receive() has returned.
  absl::StatusOr<size_t> ReadBody(absl::Span<char> out) { return stream_->ReadBody(out); }

  const Options& options() const { return options_; }
  // As agreed; V1: 0.
  uint16_t capabilities() const { return capabilities_; }
  bool Has(uint16_t capability) const { return (capabilities_ & capability) != 0; }
  // How many requests may be outstanding: as agreed; 1 in V1 and without PIPELINING.
  size_t window() const { return window_; }
  // The server's word on how many requests it works on at once; 0: not known (V1).
  uint8_t parallelism() const { return parallelism_; }

  // OK when such a request can be sent; INVALID_ARGUMENT (no URI, or one over 4096 bytes; FDPASS or
  // PUT_FD over TCP) or FAILED_PRECONDITION (a range, metadata, or a mode besides the three that
  // bring objects and STAT, which was not agreed on) otherwise.
  absl::Status Check(const protocol::RequestToSend& request) const;

  // Puts a request that passed Check() behind those not sent yet; its id is chosen here. Returns
  // that id; 0 in V1. Of a PUT, exactly body_length bytes follow before anything else is queued.
  // Requests that are outstanding at a time are all of one mode.
  absl::StatusOr<uint32_t> Queue(protocol::RequestToSend request);
  // Where it was put: to be sent before Receive().
  Outbox& outbox() { return outbox_; }

  // The next answer. Errors, after which the channel is broken: UNAVAILABLE (the server closed or
  // reset the connection, or said CLOSE), DEADLINE_EXCEEDED (silent for request_timeout), INTERNAL
  // (not this protocol, such as a body where the mode has none). An answer behind which the server
  // hangs up (URI_TOO_LONG, PROTOCOL_ERROR, VERSION_MISMATCH) is returned, and the channel is
  // broken.
  absl::StatusOr<Answer> Receive();

  // The descriptor of the OK FDPASS answer that Receive() just returned; call it for each of them.
  //
  // RESOURCE_EXHAUSTED: the kernel dropped it because RLIMIT_NOFILE is reached. Descriptors behind
  // a dropped one cannot be told apart until nothing is outstanding, so they are lost too, but the
  // channel goes on. Other errors as Receive().
  absl::StatusOr<net::UniqueFd> TakeFd();

  // V2: says CLOSE and waits for CLOSE_ACK. The channel is broken afterwards in any case.
  absl::Status Close();

 private:
  Channel(std::unique_ptr<Stream> stream, const Options& options)
      : options_(options),
        stream_(std::move(stream)),
        outbox_(stream_.get(), options.request_timeout),
        parser_(options.dialect) {}

  absl::Status Handshake();
  // Says options_.token.
  absl::Status SayToken();
  // Takes the next message off the stream, reading as needed.
  absl::StatusOr<protocol::ResponseParser::Result> NextMessage();

  const Options options_;
  const std::unique_ptr<Stream> stream_;
  Outbox outbox_;
  protocol::ResponseParser parser_;
  uint16_t capabilities_ = 0;
  size_t window_ = 1;
  uint8_t parallelism_ = 0;

  uint32_t next_id_ = 1;  // 0 is the id of answers that concern no request
  size_t outstanding_ = 0;
  protocol::Mode mode_ = protocol::Mode::kStat;  // of what is outstanding
};

}  // namespace objmapper::client
