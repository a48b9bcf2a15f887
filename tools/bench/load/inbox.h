// Where a client thread's connections receive: one large buffer for all, since what arrives is
// looked at and dropped before the next read.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "net/unique_fd.h"

namespace objmapper::bench {

// One thread's.
class Inbox {
 public:
  Inbox();
  ~Inbox() { CloseReceived(); }
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // Reads once from the non-blocking `socket`. `carry`: what an earlier read left unused, put in
  // front; at most kHeadBytesMax. Returns what recvmsg(2) does: bytes, 0 at the end, -1 and errno.
  // EOVERFLOW: descriptors were lost (MSG_CTRUNC).
  //
  // With `descriptors` those that came are counted in fds(), and kept until CloseReceived(), or
  // until there are many. Without, a plain recv(2) is made.
  ssize_t Receive(int socket, absl::string_view carry, bool descriptors);

  // To be called when nothing else is to be received for now: many at once are closed by few system
  // calls, and the less a request costs here, the less the client is what is measured.
  void CloseReceived();

  // The carry and what the last Receive() brought; valid until the next.
  absl::string_view bytes() const { return bytes_; }
  int fds() const { return fds_; }

 private:
  ssize_t ReceiveWithFds(int socket, char* at);

  std::unique_ptr<char, void (*)(void*)> buffer_;
  absl::string_view bytes_;
  int fds_ = 0;
  std::vector<net::UniqueFd> arrived_;  // empty, but for a moment
  std::vector<int> kept_;
};

}  // namespace objmapper::bench
