// What the copypath's event loop runs on: io_uring, or epoll where io_uring is refused.
//
// Both do the same for the loop: they begin operations and tell how they ended. An ending is always
// told from inside Wait(), never from inside the call that began the operation, so a handler may
// begin the next one without being re-entered.
//
// One thread, the loop's.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "copypath/put_body.h"

namespace objmapper::loop {

// The most pieces one Send() gathers.
inline constexpr size_t kPiecesMax = 64;

// One socket in an engine, and what it wants to be told. A connection derives from it.
class Channel {
 public:
  // `socket`: borrowed until OnDetached(); O_NONBLOCK or not, it makes no difference.
  // `unix_socket`: AF_UNIX, else TCP. may_bring_fds: descriptors may come, which are left in the
  // socket: OnFdsWait() tells.
  Channel(int socket, bool unix_socket, bool may_bring_fds = false)
      : socket_(socket), unix_socket_(unix_socket), may_bring_fds_(may_bring_fds) {}
  virtual ~Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // The next `bytes` in the socket have descriptors with them (net::RecvBeforeFds()). Receiving has
  // stopped.
  virtual void OnFdsWait(size_t bytes) { static_cast<void>(bytes); }
  // `bytes` have arrived, valid during the call. fds_refused: descriptors rode on them and were
  // dropped by the kernel (net/scm_rights.h). May still come after StopReceiving().
  virtual void OnReceived(absl::string_view bytes, bool fds_refused) = 0;
  // The peer has shut its sending side (error 0), or the connection broke (an errno). Once.
  virtual void OnReceiveEnd(int error) = 0;
  // Send() ended: bytes taken (1 or more, maybe not all), or -errno.
  virtual void OnSent(ssize_t result) = 0;
  // AwaitWritable() ended.
  virtual void OnWritable() = 0;
  // Detach() ended: nothing is in flight any more; the engine has forgotten the channel, which may
  // be deleted in this call.
  virtual void OnDetached() = 0;

  int socket() const { return socket_; }
  bool unix_socket() const { return unix_socket_; }

 private:
  friend class EpollEngine;
  friend class UringEngine;

  const int socket_;
  const bool unix_socket_;
  const bool may_bring_fds_;
  // The engines' own state of the channel.
  bool receive_wanted_ = false;
  bool receive_armed_ = false;  // uring: a multishot receive is in flight
  bool receive_ended_ = false;
  bool cancelling_ = false;  // uring: a cancel is in flight
  bool send_in_flight_ = false;
  bool send_full_ = false;  // uring: the last send was short: poll before trying
  bool writable_wanted_ = false;
  bool detaching_ = false;
  bool queued_ = false;      // epoll: in the list of endings to be told
  bool out_of_set_ = false;  // epoll: the peer has gone, and nothing is wanted
  uint32_t epoll_events_ = 0;
  ssize_t send_result_ = 0;
  absl::Span<iovec> pieces_;
  int in_flight_ = 0;  // uring: operations that have not completed
  // What a send of the kernel reads until it has ended. Allocated with the first gathered send, so
  // that an idle connection does not pay for it.
  struct Outgoing {
    msghdr header{};
    std::vector<char> control;
  };
  std::unique_ptr<Outgoing> outgoing_;
  absl::Span<const int> fds_;  // epoll: of the send that waits for room
};

using copypath::Write;

class Engine : public copypath::FileWriter {
 public:
  virtual ~Engine() = default;

  virtual const char* name() const = 0;  // "uring", "epoll"

  // The channel is the engine's to watch until OnDetached(). Returns 0 or an errno.
  virtual int Attach(Channel* channel) = 0;
  // Begins, or goes on with, receiving. No effect after OnReceiveEnd().
  virtual void StartReceiving(Channel* channel) = 0;
  // Stops as soon as possible: what has been received already is still told.
  virtual void StopReceiving(Channel* channel) = 0;
  // Sends `pieces` (1..kPiecesMax) as one gathered write. One send at a time. The pieces and what
  // they point to stay as they are until OnSent(); a fault in them ends it with -EFAULT.
  // fds: 0..253 descriptors that ride on the first byte (net/scm_rights.h), borrowed until
  // OnSent(); any positive result means that all of them went.
  virtual void Send(Channel* channel, absl::Span<iovec> pieces, absl::Span<const int> fds = {}) = 0;
  // Tells once when the socket has room; not while a send is in flight.
  virtual void AwaitWritable(Channel* channel) = 0;
  // Ends everything. The caller shuts the socket down first when a send may be in flight, or it
  // could last for ever.
  virtual void Detach(Channel* channel) = 0;

  // Waits until something ends or `event_fd` (given to the constructor) is readable, `timeout_ns`
  // at most (negative: for ever), and tells all that ended. True: event_fd was readable.
  // `*now_ns` is set after the waiting and before the telling, so handlers know the time.
  virtual bool Wait(int64_t timeout_ns, int64_t* now_ns) = 0;
};

}  // namespace objmapper::loop
