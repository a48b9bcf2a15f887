// What an outgoing server and its successor say to each other, over a Unix socket of their own.
//
//   successor                                 outgoing server
//   "objmapper hand-over 1"            ──►
//                                      ◄──    "listeners\nunix:/run/x.sock\n…", each with its
//                                      socket
//                                             (or "refused\nWHY", and the end)
//   opens its root, makes its lanes, serves
//   "serving"                          ──►    no longer listens; its doors are closed
//                                      ◄──    "go"
//                                      ◄──    "connection …", with its socket: each as soon as
//                                      nothing is owed on it; what
//                                             has been read of it and is too long for one frame
//                                             goes ahead, as "unread\n…"
//                                      ◄──    "end COUNT"
//   "taken COUNT"                      ──►    exits
//
// Until "serving" the outgoing server serves as if nothing were; from then on its successor does,
// whatever becomes of the other. A frame is a length (u32, big-endian) and so many bytes; its
// descriptors ride on the first of them. Every wait has an end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "net/scm_rights.h"
#include "net/unique_fd.h"
#include "session/session.h"

namespace objmapper::server::handover {

inline constexpr absl::string_view kHello = "objmapper hand-over 1";
inline constexpr size_t kFrameBytesMax = 1 << 20;
// How long either side waits for the other's next word, while it has nothing but that to do.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

// How much can have been read of a connection and not been taken: far more than any owner of a
// connection reads ahead.
inline constexpr size_t kUnreadBytesMax = 5 << 20;

struct Frame {
  std::string text;
  std::vector<net::UniqueFd> fds;
  // ReceiveSome() alone: what is wrong with it.
  bool fds_lost = false;  // there were more descriptors (RLIMIT_NOFILE)
  uint64_t too_long = 0;  // it had so many bytes, which have been dropped: `text` is empty
  // What came before a connection's frame, as parts of its unread bytes.
  std::string unread;
};

// One end. One thread.
class Wire {
 public:
  explicit Wire(net::UniqueFd socket);
  ~Wire();

  // Errors: UNAVAILABLE (the other end is gone), DEADLINE_EXCEEDED (it did not take all of it
  // within kPatience, nor all but what it was then given). Waits as long where too many descriptors
  // of this user are on their way somewhere (ETOOMANYREFS, unix(7)): they are others' doing.
  absl::Status Send(absl::string_view text, absl::Span<const int> fds = {});
  // patience: until the frame begins to come; then all of it comes within kPatience. Errors: as
  // Send(); INTERNAL: a frame that is too long, or lost descriptors (RLIMIT_NOFILE).
  absl::StatusOr<Frame> Receive(absl::Duration patience = kPatience);
  // The same for one of many frames: what is wrong with it alone is noted in it, and the next can
  // be received.
  absl::StatusOr<Frame> ReceiveSome(absl::Duration patience);

  int fd() const { return socket_.get(); }

 private:
  // bytes_max: a longer one is `too_long`.
  absl::StatusOr<Frame> ReceiveUpTo(size_t bytes_max, absl::Duration patience);
  // Reads `bytes` bytes, and what descriptors ride on them, until `deadline`.
  absl::Status ReadExactly(char* to, size_t bytes, absl::Time deadline, Frame* frame);

  net::UniqueFd socket_;
};

// A connection between two requests: what its successor must know of it, unread bytes included, as
// the frames to be sent in this order; all but the last are AddPart()'s. `fds`: what goes along
// with the last, borrowed: its socket, and what came with requests that have not been taken.
// Whatever the client has sent, it can be said: every connection arrives.
std::vector<std::string> Describe(const session::Session& session, std::vector<int>* fds);

// Whether the frame is a part of the unread bytes of the connection that follows; then they are
// added to `*unread`, of which no more than kUnreadBytesMax + 1 are kept.
bool AddPart(const Frame& frame, std::string* unread);

// The session that the frame describes. INTERNAL: it does not.
absl::StatusOr<std::unique_ptr<session::Session>> Revive(Frame frame,
                                                         session::ConnectionCounters* counters,
                                                         const session::SessionLimits* limits);

}  // namespace objmapper::server::handover
