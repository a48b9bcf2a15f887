// What the router and the lanes know of each other.
//
//   router ──Adopt──► lane ──Route──► another lane      (the next request's mode changed)
//                      └────Retire──► closed            (the conversation is over)
//
// Always the whole connection, never one request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "protocol/mode.h"
#include "session/session.h"

namespace objmapper::session {

enum class LaneKind : uint8_t { kFdPass, kCopyPath };

// The lane that must answer `mode` on `transport`, or nullopt when any lane can: STAT, modes that
// are refused, descriptors asked for over TCP. writable: SessionLimits::writable.
inline std::optional<LaneKind> LaneOf(protocol::Mode mode, Transport transport, bool writable) {
  using protocol::Mode;
  const bool is_unix = transport == Transport::kUnix;
  if (mode == Mode::kFdPass) return is_unix ? std::optional(LaneKind::kFdPass) : std::nullopt;
  const bool copies = mode == Mode::kCopy || mode == Mode::kSplice || mode == Mode::kList;
  const bool stores =
      mode == Mode::kPut || mode == Mode::kDelete || (mode == Mode::kPutFd && is_unix);
  return copies || (writable && stores) ? std::optional(LaneKind::kCopyPath) : std::nullopt;
}

// A way to answer requests: owns the sessions it adopted, and the threads that serve them.
class Lane {
 public:
  virtual ~Lane() = default;

  // Takes the session over. Any thread, at any time between Start and Stop.
  virtual void Adopt(std::unique_ptr<Session> session) = 0;

  // From now on a session that owes nothing and has nothing unread is told goodbye (V2: CLOSE,
  // shutting down) and retired, those adopted later too. Any thread; does not wait.
  virtual void Drain() = 0;

  // Ends the threads; sessions still here are closed as they are. Once, before destruction.
  virtual void Stop() = 0;

  // For a watchdog: asks each event loop of the lane to show that it goes round. Any thread; does
  // not wait. A lane whose threads wait in system calls for single clients has none.
  virtual void AskPulse() {}
  // The thread of a loop that has not answered, "fdpass/0"; empty when all have. Any thread.
  virtual std::string WithoutPulse() const { return ""; }

  // For the same: whose threads have all been at what they do, while more waits for them, for
  // longer than `patience`; empty when none have. Any thread.
  virtual std::string WithoutThreads(absl::Duration patience) const {
    static_cast<void>(patience);
    return "";
  }

  // How many wait for a thread now: sessions, or in a model what its queues hold. Any thread.
  virtual size_t QueueDepth() const = 0;
};

// Where lanes give sessions back. Thread-safe.
class Switchboard {
 public:
  virtual ~Switchboard() = default;

  // The front of session->unread is a request for another lane: hands the session to it.
  virtual void Route(std::unique_ptr<Session> session) = 0;

  // True: sessions are to be routed as soon as nothing is owed on them, whatever they want next:
  // another process goes on with them. Lanes ask it while they drain. Any thread.
  virtual bool Departing() const { return false; }

  // All that the peer is to get has been sent: closes so that the peer can read it.
  //
  // close(2) with unread bytes in the receive queue makes TCP send a reset, which can overtake the
  // last answer; so the sending side is shut down first, and the rest is read and dropped for a
  // short while.
  virtual void Retire(std::unique_ptr<Session> session) = 0;
};

}  // namespace objmapper::session
