// What an outgoing server and its successor say to each other, over a Unix socket of their own.
//
//   successor                                 outgoing server
//   "objmapper hand-over 1"            ──►
//                                      ◄──    "listeners\nunix:/run/x.sock\n…", each with its socket
//                                             (or "refused\nWHY", and the end)
//   opens its root, makes its lanes, serves
//   "serving"                          ──►    no longer listens; its doors are closed
//                                      ◄──    "go"
//                                      ◄──    "connection …", with its socket: each as soon as nothing is owed on it
//                                      ◄──    "end COUNT"
//   "taken COUNT"                      ──►    exits
//
// Until "serving" the outgoing server serves as if nothing were; from then on its successor does, whatever becomes of
// the other. A frame is a length (u32, big-endian) and so many bytes; its descriptors ride on the first of them. Every
// wait has an end.
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
#include "router/session.h"

namespace objmapper::server::handover {

inline constexpr absl::string_view kHello = "objmapper hand-over 1";
inline constexpr size_t kFrameBytesMax = 1 << 20;
// How long either side waits for the other's next word, while it has nothing but that to do.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

struct Frame {
  std::string text;
  std::vector<net::UniqueFd> fds;
};

// One end. One thread.
class Wire {
 public:
  explicit Wire(net::UniqueFd socket);

  // Errors: UNAVAILABLE (the other end is gone), DEADLINE_EXCEEDED (it did not take all of it within kPatience, nor all but
  // what it was then given).
  absl::Status Send(absl::string_view text, absl::Span<const int> fds = {});
  // patience: until the frame begins to come; then all of it comes within kPatience. Errors: as Send(); INTERNAL: a frame
  // that is too long, or lost descriptors (RLIMIT_NOFILE).
  absl::StatusOr<Frame> Receive(absl::Duration patience = kPatience);

  int fd() const { return socket_.get(); }

 private:
  // Reads `bytes` bytes, and what descriptors ride on them, until `deadline`.
  absl::Status ReadExactly(char* to, size_t bytes, absl::Time deadline, std::vector<net::UniqueFd>* fds);

  net::UniqueFd socket_;
};

// A connection between two requests: what its successor must know of it, unread bytes included. `fds`: what goes along,
// borrowed: its socket, and what came with requests that have not been taken.
std::string Describe(const router::Session& session, std::vector<int>* fds);

// The session that the frame describes. INTERNAL: it does not.
absl::StatusOr<std::unique_ptr<router::Session>> Revive(Frame frame, router::ConnectionCounters* counters,
                                                        const router::SessionLimits* limits);

}  // namespace objmapper::server::handover
