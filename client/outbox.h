// What is to go out on a stream: queued first, so that many requests leave in one message, and sent
// without two sides with full sockets waiting for each other.
//
// A send that fails because the peer is gone does not break the stream: what it said before that
// may tell why, and is still to be read. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/copy_range.h"
#include "client/stream.h"

namespace objmapper::client {

class Outbox {
 public:
  // stream: outlives it. timeout: for how long the peer may take nothing.
  Outbox(Stream* stream, absl::Duration timeout) : stream_(*stream), timeout_(timeout) {}

  // Encoded requests go behind what this holds.
  std::string* bytes() { return &bytes_; }
  // Room for `bytes` of a PUT's body behind what is queued; the caller fills it before it calls
  // anything else.
  absl::Span<char> Room(size_t bytes);
  // Sends what is queued, all of it; waits for room at most `timeout` at a time.
  absl::Status Flush();
  // The same, with `fd` (borrowed) on the first byte: a PUT_FD, queued alone.
  absl::Status FlushWithFd(int fd);
  // Sends what is queued while it waits for the first byte of an answer, so that two sides with
  // full sockets cannot wait for each other. Returns at once when a whole or partial answer has
  // been read already.
  absl::Status FlushOrAwaitInput();
  // Bytes queued and not sent. 0 too when the peer takes no more: what it said may tell why.
  size_t unsent() const { return send_failed_ ? 0 : bytes_.size() - sent_; }
  // Sends what is queued and then the first `length` bytes of `file` (borrowed, a regular file)
  // with sendfile(2), until the server says something. Returns how many of the file's went out:
  // fewer too when the kernel has no sendfile for such a file. DATA_LOSS when the file ends before
  // `length`; then, as after any error, the stream is broken.
  absl::StatusOr<uint64_t> SendFile(int file, uint64_t length, const ProgressCallback& progress);

 private:
  // Sends bytes_; waits for `wanted` where the socket is full. With POLLIN, ends at an answer too.
  absl::Status Send(short wanted);
  absl::Status AwaitSocket(short events);

  Stream& stream_;
  const absl::Duration timeout_;
  std::string bytes_;  // those before sent_ are gone
  size_t sent_ = 0;
  int fd_to_send_ = -1;  // borrowed; rides on the next byte sent
  // The peer takes no more bytes. What it said before may explain why, so reading goes on.
  bool send_failed_ = false;
};

}  // namespace objmapper::client
