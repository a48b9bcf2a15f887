// One connection to the server, as bytes: what arrives is taken exactly as asked, never ahead, so
// that a test decides where one read ends and which read a descriptor rides on.
//
//   Wire wire = Wire::ToUnix(server.socket_path());
//   wire.Send(V1Request(kCopy, "a"));
//   std::string header = wire.Read(kV1HeaderBytes);
//
// Every wait ends after kPatience; a wait that does is a failure of the current test. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "net/unique_fd.h"

namespace objmapper::e2e {

// Far longer than anything takes, even under a sanitizer on a busy machine: only a server that
// has forgotten somebody reaches it.
inline constexpr std::chrono::seconds kPatience{30};

class Wire {
 public:
  // Connects; a connection that fails is a test failure and leaves a closed wire. `path` may be
  // "@name" for the abstract namespace.
  static Wire ToUnix(absl::string_view path);
  // 127.0.0.1. receive_bytes: SO_RCVBUF, set before the peer is told of a window that it could not
  // take back; 0: the system's.
  static Wire ToTcp(uint16_t port, int receive_bytes = 0);
  static Wire ToTcp6(uint16_t port);  // ::1
  // A connection that somebody else has made.
  static Wire Adopt(net::UniqueFd socket) { return Wire(std::move(socket)); }

  Wire(Wire&&) = default;
  Wire& operator=(Wire&&) = default;

  int fd() const { return socket_.get(); }

  // Sends all of `bytes`, with `fds` (borrowed) attached to the first of them. False when the peer
  // has closed its side, which many a test expects.
  bool Send(absl::string_view bytes, absl::Span<const int> fds = {});
  // Sends one byte at a time, each as a message or segment of its own.
  void SendByteByByte(absl::string_view bytes);
  void HalfClose();  // "nothing more will come"; answers can still be read
  // Closes with unread and unsent bytes thrown away: a reset on TCP (socket(7), SO_LINGER 0).
  void Reset();

  enum class Got : uint8_t {
    kAll,
    kEnd,      // the peer closed or reset the connection first
    kTimeout,  // reported as a failure already
  };
  // Appends up to `bytes` bytes to `out`, until all are there or the connection ends. Descriptors
  // that ride on them queue up in arrival order.
  Got ReadInto(size_t bytes, std::string* out);
  // The same, where anything but all of them is a failure.
  std::string Read(size_t bytes);
  // The same by read(2) alone, which makes the kernel drop descriptors: how an old client reads.
  std::string PlainRead(size_t bytes);
  // True when the peer closes the connection without another byte.
  bool AtEnd();
  // Everything up to the end of the connection.
  std::string ReadToEnd();

  size_t fds_queued() const { return fds_.size(); }
  // The descriptor that arrived first and was not taken yet; invalid when there is none.
  net::UniqueFd TakeFd();

 private:
  explicit Wire(net::UniqueFd socket) : socket_(std::move(socket)) {}
  bool WaitReadable();

  net::UniqueFd socket_;
  std::deque<net::UniqueFd> fds_;
};

}  // namespace objmapper::e2e
