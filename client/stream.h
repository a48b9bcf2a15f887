// One connection's socket: the bytes that come through it with their descriptors, how long they may
// take, and why it has ended.
//
// The whole connection is read with recvmsg(2): the kernel may join the end of one message and the
// next, descriptor-carrying one in one read, and a plain read() would drop that descriptor. A read
// stops after each such message (unix(7)), so descriptors arrive in stream order.
//
// A descriptor is taken only while the answer to an FDPASS request is due, and never more of them
// than there are such answers: others are the kernel's to close, and end the stream. While none is
// due the kernel does not even let the server send one (net::AllowFds(), Linux 6.16). What does not
// hold: a server may pass, where a descriptor is due, one whose close(2) waits (a TCP socket with
// SO_LINGER, a file of FUSE's); the call then waits for as long as that.
//
// Once an error leaves the stream at an unknown place it is broken: its socket and all descriptors
// it still holds are closed, and every later call returns why.
// Not thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/options.h"
#include "client/received_fds.h"
#include "net/patience.h"
#include "net/unique_fd.h"

namespace objmapper::client {

class Stream {
 public:
  // Connects to `url`, as net::ParseUrl(), and to nobody but Options::server_uids.
  //
  // Errors: as net::ParseUrl() and net::Dial(); PERMISSION_DENIED when somebody else listens.
  static absl::StatusOr<std::unique_ptr<Stream>> Connect(absl::string_view url,
                                                         const Options& options);
  // socket: connected. url: for messages.
  Stream(net::UniqueFd socket, std::string url, bool is_unix);

  // OK while the stream can be used, else why it cannot.
  const absl::Status& broken() const { return broken_; }
  // Ends the stream because of the connection. `why` is kept, and returned marked as the
  // connection's error.
  absl::Status Break(absl::Status why);
  // The same for what no server of this protocol does: INTERNAL, with a message of these parts.
  template <typename... Parts>
  absl::Status BreakAsWrong(const Parts&... parts) {
    return Break(absl::InternalError(absl::StrCat(parts...)));
  }
  // Ends the stream because this side cannot go on with it: a body that nobody will read.
  void Abandon(absl::string_view why);

  int socket() const { return socket_.get(); }
  const std::string& url() const { return url_; }
  bool is_unix() const { return is_unix_; }

  // How long the server may be silent from now on, in each wait for something whole.
  absl::Status SetTimeout(absl::Duration timeout);
  // For a wait that begins now.
  net::Patience patience() const { return net::Patience(timeout_); }

  // From here on descriptors are let through, or none.
  void LetFdsCome(bool come);
  ReceivedFds& fds() { return fds_; }

  // What was read and not consumed; good until the next read.
  absl::string_view input() const { return {input_ + begin_, end_ - begin_}; }
  bool has_input() const { return begin_ != end_; }
  void Consume(size_t bytes) { begin_ += bytes; }
  // True when there is input, or the server has said something or hung up: to read would not wait.
  bool HasAnswer() const;
  // Reads at least one more byte of an answer behind the input. Waits as long as `patience` lasts,
  // which began with this wait (`began`), or with another read of it. Errors, which break the
  // stream: UNAVAILABLE (the server closed or reset the connection), DEADLINE_EXCEEDED (silent for
  // the timeout), INTERNAL (descriptors where none is due).
  absl::Status Fill(net::Patience* patience, bool began);
  // Reads at most `out.size()` bytes of a body, straight into `out` but for what is in the input.
  // The caller never asks for more than the body has left. Returns the number, at least 1. Errors
  // as Fill(), but DATA_LOSS for a connection that ends.
  absl::StatusOr<size_t> ReadBody(absl::Span<char> out);

 private:
  // Room for a batch of answers, and for the largest header and metadata.
  static constexpr size_t kInputBytes = 32 * 1024;

  // One recvmsg into `out`; 0 at the stream's end. Owns the descriptors that came.
  absl::StatusOr<size_t> Read(absl::Span<char> out, net::Patience* patience, bool began);

  net::UniqueFd socket_;
  const std::string url_;
  const bool is_unix_;
  absl::Duration timeout_;
  absl::Status broken_;
  ReceivedFds fds_;
  bool fds_come_ = true;  // as net::AllowFds()
  size_t begin_ = 0;      // input_[begin_, end_) is read and not consumed
  size_t end_ = 0;
  char input_[kInputBytes];
};

}  // namespace objmapper::client
