// The router's thread: accepts connections, reads the first mode byte of each, and moves it to its
// lane.
//
// A connection that has said nothing yet costs a Session and an epoll registration, no thread.
// listeners.h accepts it, admission.h says whether it is let in, opening.h what its first bytes
// mean.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "net/deadline_list.h"
#include "net/epoll.h"
#include "net/listener.h"
#include "net/mailbox.h"
#include "net/serving_thread.h"
#include "net/tcp.h"
#include "router/admission.h"
#include "router/listeners.h"
#include "session/lane.h"
#include "session/session.h"

namespace objmapper::router {

class Demultiplexer : public session::Switchboard {
 public:
  struct Options {
    std::vector<net::Listener> listeners;
    const session::SessionLimits* limits = nullptr;   // outlives the demultiplexer
    session::ConnectionCounters* counters = nullptr;  // outlives it and all sessions
    std::string tcp_local_congestion;                 // net::CongestionControl
    Admission admission;
  };

  explicit Demultiplexer(Options options);

  // Starts the thread. `fdpass` may be null when no listener is a Unix socket: then `copypath`
  // gets every connection. Both outlive this object's Stop().
  void Start(session::Lane* fdpass, session::Lane* copypath);

  // Accepts what has been waiting, then closes the listeners and removes their socket files; says
  // goodbye to connections that have asked nothing. Any thread; does not wait.
  void Drain() { thread_.Drain(); }

  // As Drain(), but nobody is told goodbye: connections that owe nothing are to be had by
  // TakeDeparted(), those that lanes route too. The listeners' socket files stay. Before the lanes'
  // Drain(). Any thread; does not wait.
  void Depart();
  std::vector<std::unique_ptr<session::Session>> TakeDeparted() { return departed_.TakeAll(); }

  // What was a predecessor's socket file is ours to remove. Any thread.
  void TakeOverFiles() { take_over_files_.store(true, std::memory_order_release); }

  // Takes in a connection that another process has served, between two of its requests; who is not
  // admitted here is told so, and closed. Any thread, one at a time.
  void Arrive(std::unique_ptr<session::Session> session);

  // What it listens on. Any thread, before Drain() and Depart().
  std::vector<Listening> listening() const { return listeners_.listening(); }

  // Listens on `listener` in place of the one with the same address, whose socket file is gone,
  // once it has accepted who came before. Any thread.
  void Renew(net::Listener listener) {
    listeners_.Renew(std::move(listener));
    thread_.Wake();
  }

  // Ends the thread; connections still here are closed. Once.
  void Stop();

  // For a watchdog, any thread: asks the thread to show that it goes round; false while it has not.
  void AskPulse() { thread_.AskPulse(); }
  bool HasPulse() const { return thread_.HasPulse(); }

  // Switchboard, any thread:
  void Route(std::unique_ptr<session::Session> session) override;
  void Retire(std::unique_ptr<session::Session> session) override;
  bool Departing() const override { return departing_.load(std::memory_order_acquire); }

 private:
  struct Guest : Source {
    Guest(Kind kind_in, std::unique_ptr<session::Session> session_in)
        : Source(kind_in), session(std::move(session_in)) {}
    std::unique_ptr<session::Session> session;
    net::DeadlineHook deadline;
  };
  using Deadlines = net::DeadlineList<Guest, &Guest::deadline>;

  // What another thread hands to this one: by Arrive() or by Retire().
  struct Letter {
    Source::Kind becomes;  // kOpener, kLingerer
    std::unique_ptr<session::Session> session;
  };

  void Run();
  void TakeMail();
  // What the listeners have accepted: let in, or told why not.
  void Admit(net::UniqueFd socket, session::Transport transport, bool last);
  // Says why to one that is not counted among the connections. The result is DropInput()'s.
  static bool TurnAway(const session::Session& session, protocol::Status status,
                       absl::string_view why);
  void OnOpener(Guest* guest, bool peer_done);
  void AddGuest(Source::Kind kind, std::unique_ptr<session::Session> session);
  std::unique_ptr<session::Session> RemoveGuest(Guest* guest);
  // Says the last words, and retires it.
  void SayFarewell(Guest* guest, absl::string_view farewell);
  void EndOpeners();
  void Expire();
  bool HasSpoken(Guest* guest, bool half_said);
  int SleepMs();
  // Any thread.
  static void HandTo(session::Lane* lane, std::unique_ptr<session::Session> session);
  session::Lane* DefaultLane(session::Transport transport) const;
  session::Lane* LaneFor(protocol::Mode mode, session::Transport transport) const;

  const session::SessionLimits* const limits_;
  session::ConnectionCounters* const counters_;
  const Admission admission_;
  const net::CongestionControl congestion_;
  session::Lane* fdpass_ = nullptr;
  session::Lane* copypath_ = nullptr;

  net::Epoll epoll_;
  Source mailbox_source_{Source::Kind::kMailbox};
  net::Mailbox<std::unique_ptr<session::Session>> departed_;
  std::atomic<bool> departing_{false};
  std::atomic<bool> take_over_files_{false};
  Listeners listeners_;
  absl::flat_hash_set<Guest*> guests_;    // owned
  std::map<Source::Kind, size_t> count_;  // of them
  Deadlines silent_;                      // openers that have sent nothing
  Deadlines half_said_;                   // openers that have sent a part of their first request
  Deadlines leaving_;                     // lingerers
  Deadlines turned_away_;                 // those that were not let in
  // When the thread last began to look at what has come; all that had come by then has been seen
  // to.
  int64_t looked_ns_ = 0;
  net::ServingThread<Letter> thread_;
};

}  // namespace objmapper::router
