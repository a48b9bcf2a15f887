// What a round of the fdpass lane asks of the kernel, and nothing else: wait, receive, open, send,
// close. Once on io_uring, once on epoll.
//
//   kernel->Wait(timeout_ns, &woken);              // also sends and closes what was left for it
//   kernel->Receive(peer, buffer, have);           // of each that is ready
//   kernel->Open(directory, "a.bin", ...);         // queued,
//   kernel->OpenAll();                             // and done
//   kernel->SendLater(out);                        // or a send of the round's own
//   kernel->Close(std::move(fd));
//
// No call but Wait() waits for anything, and none tells of anything later but what is said here: so
// the round that makes them reads from top to bottom.
//
// One thread's, the one that makes it. An uring kernel's ring belongs to that thread.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "net/unique_fd.h"
#include "session/message.h"
#include "session/session.h"

namespace objmapper::fdpass {

// What a peer is waited for.
enum class Interest : uint8_t {
  kNothing,
  kRequests,  // that something comes, or its end
  kRoom,      // that its socket takes more
};

struct Outgoing;

// A connection as a kernel sees it; a peer is one.
struct Socket {
  explicit Socket(std::unique_ptr<session::Session> session_in) : session(std::move(session_in)) {}

  std::unique_ptr<session::Session> session;

 private:
  friend class EpollKernel;
  friend class UringKernel;

  struct Piece {
    int buffer;
    absl::string_view bytes;
  };

  Interest interest_ = Interest::kNothing;
  // UringKernel's:
  bool armed_ = false;  // a receive is in flight, or what waits for one
  bool room_armed_ = false;
  bool exact_ = false;                    // received by the owner's own call
  bool ready_ = false;                    // in the list of those that Wait() tells of
  bool ended_ = false;                    // with end_error_, once the pieces are taken
  int end_error_ = 0;                     // 0: the peer has shut its side
  Outgoing* out_ = nullptr;               // what goes with the next Wait()
  absl::InlinedVector<Piece, 1> pieces_;  // received and not taken yet
};

// A message on its way out, and the 'X' behind it that brings the descriptor of a client without
// FD_IN_HEADER. From SendLater() until Wait() returns it stays as it is.
struct Outgoing {
  Socket* socket = nullptr;
  session::Message message;
  net::UniqueFd x_fd;  // valid until the 'X' has gone
  // What became of it: when `error` is 0 all has gone.
  size_t bytes_sent = 0;  // of the message; with the first of them all its descriptors went
  int error = 0;          // an errno: EAGAIN, the socket is full

  // The caller's: which requests it answers, and when they were counted as answered.
  size_t first = 0;
  size_t end = 0;
  int64_t counted_ns = 0;

 private:
  friend class UringKernel;
  msghdr header_{};
  iovec bytes_{};
  std::vector<char> control_;
};

class Kernel {
 public:
  // What a Wait() has seen.
  struct Woken {
    bool mail = false;              // the event_fd is readable
    std::vector<Socket*> ready;     // what they are waited for has come; some for nothing
    std::vector<Outgoing*> unsent;  // of SendLater(): what has not gone. All the rest has.
  };

  virtual ~Kernel() = default;

  virtual const char* name() const = 0;  // "uring", "epoll"

  // From now on the socket is looked after, with kRequests. Returns 0 or an errno.
  virtual int Add(Socket* socket) = 0;
  // The same. Fails only when the socket was waited for nothing.
  virtual int SetInterest(Socket* socket, Interest interest) = 0;
  // Forgets the socket: what was received for it goes to the end of session->unread, and what was
  // left to send has been sent, or nobody is told that it was not.
  virtual void Remove(Socket* socket) = 0;

  // Sends what was left for it; then waits until something happens, `timeout_ns` at most (negative:
  // for ever).
  virtual void Wait(int64_t timeout_ns, Woken* woken) = 0;

  // As session::Receive() with kLeave: fills `buffer` behind its first `have` bytes. Who is not to
  // miss what is in the socket already calls Exact() before.
  virtual ssize_t Receive(Socket* socket, absl::Span<char> buffer, size_t have) = 0;
  // From now on Receive() finds all that is in this socket at that moment.
  virtual void Exact(Socket* socket) = 0;

  // Queues the opening of `name`, of one component, in `directory`: O_RDONLY, close-on-exec, no
  // symbolic link, from the kernel's caches or not at all (-EAGAIN), as net::FileBatch does it.
  // seen_regular: it was a regular file a moment ago. All stays as it is until OpenAll(), by the
  // end of which *result is a descriptor or -errno.
  virtual void Open(int directory, const char* name, bool seen_regular, int* result) = 0;
  virtual void OpenAll() = 0;
  // Whether Open() makes use of seen_regular.
  virtual bool wants_seen_regular() const = 0;
  // Any thread: an open of OpenAll() hangs. Those behind it are not to wait for it, nor for the
  // like of it: their results are -EAGAIN.
  virtual void CutShort() = 0;

  // Has the message sent by the next Wait(), which tells if it was not. Its own descriptors are the
  // kernel's then, to be closed behind it. One for each socket. False: not taken, it is to be sent
  // now.
  virtual bool SendLater(Outgoing* out) = 0;
  // At the next Wait() at the latest.
  virtual void Close(net::UniqueFd fd) = 0;
};

// event_fd: borrowed. Errors of MakeUringKernel(): as net::Ring::Create().
absl::StatusOr<std::unique_ptr<Kernel>> MakeUringKernel(int event_fd);
std::unique_ptr<Kernel> MakeEpollKernel(int event_fd);

}  // namespace objmapper::fdpass
