// Bytes and descriptors over Unix sockets: the SCM_RIGHTS messages of unix(7).
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "net/unique_fd.h"

namespace objmapper::net {

// SCM_MAX_FD (include/net/scm.h): a 254th descriptor gives EINVAL.
inline constexpr size_t kFdsPerMessageMax = 253;

// Sends `bytes` on `socket` with `fds` attached to the first of them; never blocks, never raises
// SIGPIPE.
//
// socket: connected AF_UNIX SOCK_STREAM; borrowed.
// bytes:  at least one; the kernel drops descriptors that ride on nothing.
// fds:    0..kFdsPerMessageMax, borrowed: the receiver's descriptors name the same open file
//         descriptions, so both sides share one file offset.
//
// Returns the number of bytes taken, or -1 with errno as sendmsg(2) left it: EAGAIN (the socket is
// full), ETOOMANYREFS (too many descriptors in flight: unix(7)), EPIPE, ECONNRESET, ... When any
// byte was taken, all descriptors were. EINTR is retried.
ssize_t SendWithFds(int socket, absl::string_view bytes, absl::Span<const int> fds);

// Makes `message` carry `fds`, 1..kFdsPerMessageMax, for calls that send it later: `control` holds
// the control bytes and lives, unmoved, until the message has been sent. Reused: it grows, if ever.
void AttachFds(absl::Span<const int> fds, std::vector<char>* control, msghdr* message);

// Sends `bytes` and then, as a message of its own, one byte 'X' with `fd` attached, in one system
// call; never blocks, never raises SIGPIPE. How a descriptor follows its header where it may not
// ride on it.
//
// Returns how many of both messages went out: 2; 1, and *bytes_sent tells how much of the first
// (all of it, or a part: then the second was not tried); or 0 with errno as sendmsg(2) left it.
// Source: sendmmsg(2).
int SendThenX(int socket, absl::string_view bytes, int fd, size_t* bytes_sent);

// What one RecvWithFds() brought.
struct Received {
  size_t bytes = 0;  // 0: the peer has closed its side
  // True when descriptors were lost: the caller's RLIMIT_NOFILE is reached, or the message held
  // more than were asked for. Those that did arrive are in `fds` all the same.
  bool fds_lost = false;
  // True when the message held more than were asked for; then `fds_lost` is too. The peer's doing,
  // not our limit's.
  bool fds_surplus = false;
};

// Reads at most `buffer.size()` bytes and the descriptors that ride on them, blocking as the socket
// does. Every descriptor the kernel installed is appended to `fds` (close-on-exec) before anything
// can fail, so none is ever lost from sight.
//
// fds_max: 0..kFdsPerMessageMax; descriptors beyond it are closed by the kernel (fds_lost).
// Errors: RESOURCE_EXHAUSTED (EAGAIN on a non-blocking socket or SO_RCVTIMEO), UNAVAILABLE (reset),
// or as ErrnoToStatus. flags: of recvmsg(2), such as MSG_DONTWAIT.
// EINTR is retried, and with it SO_RCVTIMEO begins anew: who counts on that gives `interrupted`,
// which is true, beside RESOURCE_EXHAUSTED, when a signal came before anything else.
absl::StatusOr<Received> RecvWithFds(int socket, absl::Span<char> buffer, size_t fds_max,
                                     std::vector<UniqueFd>* fds, int flags = 0,
                                     bool* interrupted = nullptr);

// The server's read of a socket to which no descriptors can be sent: TCP, or Unix with
// net/pass_rights.h. (To others the next one is for: what the kernel closes here may keep the
// caller waiting.) Never blocks, takes no descriptors. Descriptors that ride on the bytes are
// closed by the kernel without ever entering this process's table; *fds_refused then says so. The
// read stops after the message that carried them (unix(7)), so they belong to the request that
// holds the last byte returned.
//
// Returns bytes read, 0 at the end of the stream, or -1 with errno (EAGAIN, ECONNRESET, ...).
// EINTR is retried. Works on TCP sockets too.
ssize_t RecvRefusingFds(int socket, absl::Span<char> buffer, bool* fds_refused);

// The server's read of a socket to which descriptors may be sent: as RecvRefusingFds(), but stops
// before a message that carries some. Then -1 with errno EBADMSG, and *with_fds is how many bytes a
// read up to the end of that message would bring: for a process that may hang (net/expendable.h).
// No descriptor of a peer's choosing comes into this process's table: already its close(2) waits
// where the file system has something to do for each one (FLUSH on one in user space), not only for
// the last.
ssize_t RecvBeforeFds(int socket, absl::Span<char> buffer, size_t* with_fds);

// As recvmsg(2) with `flags`, taking all descriptors (close-on-exec), appended to `fds`. *fds_lost:
// there was no room for some in our table (RLIMIT_NOFILE).
ssize_t RecvAllFds(int socket, absl::Span<char> buffer, int flags, std::vector<UniqueFd>* fds,
                   bool* fds_lost);

}  // namespace objmapper::net
