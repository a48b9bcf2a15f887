// One connection's bytes: requests out, answers with their descriptors and bodies in.
//
// The whole connection is read with recvmsg(2): the kernel may join the end of one message and the
// next, descriptor-carrying one in one read, and a plain read() would drop that descriptor. A read
// stops after each such message (unix(7)), so descriptors arrive in stream order, and the k-th one
// belongs to the k-th OK FDPASS answer, in every dialect.
//
// A descriptor is taken only while the answer to an FDPASS request is due, and never more of them
// than there are such answers: others are the kernel's to close, and end the channel. While none is
// due the kernel does not even let the server send one (net::AllowFds(), Linux 6.16). What does not
// hold: a server may pass, where a descriptor is due, one whose close(2) waits (a TCP socket with
// SO_LINGER, a file of FUSE's); the call then waits for as long as that.
//
// Once an error leaves the stream at an unknown place the channel is broken: its socket and all
// descriptors it still holds are closed, and every later call returns why.
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "client/copy_range.h"
#include "client/object.h"
#include "client/options.h"
#include "net/patience.h"
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
  // Errors: as net::ParseUrl() and net::Dial(); an error that the server gives in place of
  // HELLO_ACK as ServerError(); UNAVAILABLE or DEADLINE_EXCEEDED when nothing comes.
  static absl::StatusOr<std::unique_ptr<Channel>> Open(absl::string_view url,
                                                       const Options& options);

  // OK while the channel can be used, else why it cannot.
  const absl::Status& broken() const { return broken_; }
  // Ends the channel because of the connection. `why` is kept, and returned marked as the
  // connection's error.
  absl::Status Break(absl::Status why);
  // The same for what no server of this protocol does: INTERNAL, with a message of these parts.
  template <typename... Parts>
  absl::Status BreakAsWrong(const Parts&... parts) {
    return Break(absl::InternalError(absl::StrCat(parts...)));
  }
  // Ends the channel because this side cannot go on with it: a body that nobody will read.
  void Abandon(absl::string_view why);

  const Options& options() const { return options_; }
  bool is_unix() const { return is_unix_; }
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
  // Room for `bytes` of a PUT's body behind what is queued; the caller fills it before it calls
  // anything else.
  absl::Span<char> QueueBody(size_t bytes);
  // Sends what is queued, all of it; waits for room at most request_timeout at a time.
  absl::Status Flush();
  // The same, with `fd` (borrowed) on the first byte: a PUT_FD, queued alone.
  absl::Status FlushWithFd(int fd);
  // Sends what is queued while it waits for the first byte of an answer, so that two sides with
  // full sockets cannot wait for each other. Returns at once when a whole or partial answer has
  // been read already.
  absl::Status FlushOrAwaitInput();
  // Bytes queued and not sent. 0 too when the peer takes no more: what it said may tell why.
  size_t unsent() const { return send_failed_ ? 0 : output_.size() - sent_; }
  // True when the server has said something, or hung up: Receive() would not wait long.
  bool HasAnswer() const;
  // Sends what is queued and then the first `length` bytes of `file` (borrowed, a regular file)
  // with sendfile(2), until the server says something. Returns how many of the file's went out:
  // fewer too when the kernel has no sendfile for such a file. DATA_LOSS when the file ends before
  // `length`; then, as after any error, the channel is broken.
  absl::StatusOr<uint64_t> SendFile(int file, uint64_t length, const ProgressCallback& progress);

  // The next answer. Errors, after which the channel is broken: UNAVAILABLE (the server closed or
  // reset the connection, or said CLOSE), DEADLINE_EXCEEDED (silent for request_timeout), INTERNAL
  // (not this protocol, such as a body where the mode has none). An answer behind which the server
  // hangs up (URI_TOO_LONG, PROTOCOL_ERROR, VERSION_MISMATCH) is returned, and the channel is
  // broken.
  absl::StatusOr<Answer> Receive();
  // True when Receive() would find bytes without reading the socket.
  bool has_input() const { return begin_ != end_; }

  // The descriptor of the OK FDPASS answer that Receive() just returned; call it for each of them.
  //
  // RESOURCE_EXHAUSTED: the kernel dropped it because RLIMIT_NOFILE is reached. Descriptors behind
  // a dropped one cannot be told apart until nothing is outstanding, so they are lost too, but the
  // channel goes on. Other errors as Receive().
  absl::StatusOr<net::UniqueFd> TakeFd();

  // Reads at most `out.size()` bytes of the body behind the answer, straight into `out` but for
  // what came along with the header. The caller never asks for more than the body has left.
  // Returns the number, at least 1. Errors as Receive(), but DATA_LOSS for a connection that ends.
  absl::StatusOr<size_t> ReadBody(absl::Span<char> out);

  // V2: says CLOSE and waits for CLOSE_ACK. The channel is broken afterwards in any case.
  absl::Status Close();

 private:
  // Room for a batch of answers, and for the largest header and metadata.
  static constexpr size_t kInputBytes = 32 * 1024;

  Channel(net::UniqueFd socket, std::string url, bool is_unix, const Options& options);

  absl::Status CheckServerUser() const;
  absl::Status Handshake();
  absl::Status SetReceiveTimeout(absl::Duration timeout);
  // Takes the next message off the stream, reading as needed.
  absl::StatusOr<protocol::ResponseParser::Result> NextMessage();
  absl::Status FillInput(net::Patience* patience, bool began);
  // One recvmsg into `out`; 0 at the stream's end. Owns the descriptors that came. Waits as long as
  // `patience` lasts, which began with this wait (`began`), or with another read of it.
  absl::StatusOr<size_t> Read(absl::Span<char> out, net::Patience* patience, bool began);
  absl::StatusOr<size_t> Read(absl::Span<char> out) {
    net::Patience patience(receive_timeout_);
    return Read(out, &patience, /*began=*/true);
  }
  // Sends output_; waits for `wanted` where the socket is full. With POLLIN, ends at an answer too.
  absl::Status Send(short wanted);
  absl::Status AwaitSocket(short events);
  absl::string_view input() const { return {input_ + begin_, end_ - begin_}; }

  net::UniqueFd socket_;
  const std::string url_;  // for messages
  const bool is_unix_;
  const Options options_;
  absl::Duration receive_timeout_;
  absl::Status broken_;

  protocol::ResponseParser parser_;
  uint16_t capabilities_ = 0;
  size_t window_ = 1;
  uint8_t parallelism_ = 0;

  uint32_t next_id_ = 1;  // 0 is the id of answers that concern no request
  size_t outstanding_ = 0;
  protocol::Mode mode_ = protocol::Mode::kStat;  // of what is outstanding
  std::string output_;                           // encoded requests; those before sent_ are gone
  size_t sent_ = 0;
  int fd_to_send_ = -1;  // borrowed; rides on the next byte sent
  // The peer takes no more bytes. What it said before may explain why, so reading goes on.
  bool send_failed_ = false;

  std::deque<net::UniqueFd> fds_;  // received, not taken yet, in stream order
  // The most of them that there may be: FDPASS requests without an answer, and answers whose
  // descriptor was not taken.
  size_t fds_due_ = 0;
  bool rights_pass_ = true;  // as net::AllowFds()
  bool fds_lost_ = false;    // since outstanding_ was last 0
  size_t begin_ = 0;         // input_[begin_, end_) is read and not parsed
  size_t end_ = 0;
  char input_[kInputBytes];
};

}  // namespace objmapper::client
