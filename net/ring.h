// io_uring: the one place that includes liburing. Set-up, probing, queueing, draining; what an
// operation means is its user's business.
//
//   absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create({.entries = 512});
//   ring->Send(fd, data, size, /*poll_first=*/false, user_data);   // queued
//   for (const Ring::Event& e : ring->Wait(timeout_ns)) ...        // submitted, waited, drained
//
// One thread: the ring is set up SINGLE_ISSUER and DEFER_TASKRUN where the kernel has them, so
// completions happen inside Wait() alone and interrupt nothing. Wait() hands out a copy of what has
// completed, so operations may be queued while events are handled; nothing completes inside a call
// that queues.
//
// Source: io_uring_setup(2), io_uring_enter(2), io_uring_register(2).
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

struct io_uring;
struct io_uring_buf_ring;
struct io_uring_sqe;

namespace objmapper::net {

// What all rings have in common at their making, for the files that include liburing: why
// io_uring_setup(2) refused, in an operator's words (`error`: an errno); and UNIMPLEMENTED unless
// the kernel knows all of these operations (IORING_OP_...).
absl::Status RingSetupError(int error);
absl::Status CheckOperations(io_uring* ring, absl::Span<const int> operations);

class Ring {
 public:
  struct Options {
    unsigned entries = 1024;         // of the submission queue; the completion queue is larger
    unsigned receive_buffers = 128;  // of ReceiveMultishot; a power of two
    unsigned receive_buffer_bytes = 8192;
  };

  // What is received from a socket.
  enum class Receive : uint8_t {
    kBytes,      // TCP
    kRefuseFds,  // a Unix socket; descriptors are dropped by the kernel
  };

  // One completion.
  struct Event {
    uint64_t user_data = 0;
    int result = 0;     // as the system call: >= 0, or -errno
    bool more = false;  // a multishot operation goes on
    // ReceiveMultishot: what arrived, valid until ReturnBuffer(buffer).
    int buffer = -1;
    absl::string_view bytes;
    bool fds_refused = false;  // descriptors came along and were dropped by the kernel
  };

  // UNIMPLEMENTED or PERMISSION_DENIED: this kernel has no io_uring, or forbids it (seccomp, the
  // sysctl kernel.io_uring_disabled), or lacks an operation the server needs; RESOURCE_EXHAUSTED:
  // no memory for it. The message names the likely cause: it goes into the start-up log.
  static absl::StatusOr<std::unique_ptr<Ring>> Create(const Options& options);
  ~Ring();

  // ---- Queueing. Each operation completes with an Event that carries `user_data`, whose lowest
  // bit must be 0, as in an address: it is the ring's own. ----

  // Receives until cancelled, the end of the stream (result 0), an error, or -ENOBUFS (all buffers
  // are in use: return some and begin again).
  void ReceiveMultishot(int fd, Receive what, uint64_t user_data);
  // Waits until there is something to receive. Completes, and is cancelled, as a ReceiveMultishot()
  // of the same `user_data` that brought no bytes: with a positive result.
  void AwaitReadable(int fd, Receive what, uint64_t user_data);
  // `poll_first`: the socket was full a moment ago: wait for room before trying.
  void Send(int fd, const void* data, size_t bytes, bool poll_first, uint64_t user_data);
  void SendMessage(int fd, const msghdr* message, bool poll_first, uint64_t user_data);
  // The same, but now or not at all: -EAGAIN when there is no room. It is done while it is
  // submitted, and completes with an event only when it fails. A socket that may take a part of it
  // (net/scm_rights.h) is not for this: that would count as well done.
  void SendMessageNow(int fd, const msghdr* message, uint64_t user_data);
  // close(2), behind all that was queued before. An event only when it fails.
  void Close(int fd, uint64_t user_data);
  // pwrite(2) to a file. What would wait for a disk is done by a kernel worker thread. `data` stays
  // as it is until the end.
  void Write(int fd, const void* data, size_t bytes, uint64_t offset, uint64_t user_data);
  void PollOnce(int fd, uint32_t poll_mask, uint64_t user_data);
  // Cancels the ReceiveMultishot() that has `target` as its user_data, which then completes
  // (-ECANCELED, or what it had). This call's own event carries `user_data`.
  void CancelReceive(Receive what, uint64_t target, uint64_t user_data);

  // ---- Waiting ----

  // Submits what is queued and waits until something completes, `timeout_ns` at most (negative:
  // for ever; 0: not at all). The span is valid until the next call.
  absl::Span<Event> Wait(int64_t timeout_ns);
  // The same without any waiting, for who ends something and is to go on in the same turn.
  absl::Span<Event> Flush();
  // How much Wait() has not submitted, for want of memory: the next one does.
  unsigned queued() const;

  // Gives a receive buffer back to the kernel.
  void ReturnBuffer(int buffer);

  // ---- Loss ----

  // Whether completions have been lost: the completion queue was full, and the kernel had no memory
  // to keep more of them (io_uring_enter(2): EBADR). Which, nobody knows: an operation in flight
  // may have ended long ago, and of what ReceiveMultishot() has brought since, a part may be
  // missing before it: what the last Wait() handed out counts as that, too. Stays true until
  // Recover().
  bool lost() const { return lost_; }

  struct Remains {
    // without bytes and buffers, which are the kernel's again; what has come besides is in them
    std::vector<Event> events;
    bool all_ended =
        true;  // false: a Write() may still go on, and will be told of; all the rest has ended
  };
  // Cancels all that is in flight, waits until it has ended (about a second, for what a disk
  // keeps), and takes the ring into use again. What was in flight and is neither in the result nor
  // was handed out by the last Wait() has been lost. All buffers that events have are returned by
  // this call.
  Remains Recover();

 private:
  Ring();
  io_uring_sqe* NextEntry();
  void Drain();
  absl::Status RegisterBuffers();
  int CancelAll();
  // What has completed by the end of an io_uring_enter(2) that said `result`.
  absl::Span<Event> HandOut(int result);
  // What io_uring_enter(2) said; `error` is negative. Anything that is not the world's fault ends
  // the process.
  void Judge(int error);

  std::unique_ptr<io_uring> ring_;
  io_uring_buf_ring* buffers_ = nullptr;
  std::unique_ptr<char[]> buffer_memory_;
  Options options_;
  // RECVMSG multishot reads it at every arrival: no name, and no room for descriptors.
  msghdr shape_{};
  std::vector<Event> pending_;  // drained while queueing found the queue full, or by Wait()
  std::vector<Event> events_;   // what Wait() handed out
  bool lost_ = false;
  unsigned lost_seen_ = 0;  // of the kernel's count of lost completions
};

}  // namespace objmapper::net
