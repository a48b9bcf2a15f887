// The router's thread: accepts connections, reads the first mode byte of each, and moves it to its
// lane.
//
// A connection that has said nothing yet costs a Session and an epoll registration, no thread.
// listeners.h accepts it, admission.h says whether it is let in, guests.h how long it may stay,
// opening.h what its first bytes mean, and signpost.h where it goes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "net/epoll.h"
#include "net/listener.h"
#include "net/mailbox.h"
#include "net/serving_thread.h"
#include "net/tcp.h"
#include "router/admission.h"
#include "router/guests.h"
#include "router/listeners.h"
#include "router/signpost.h"
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
  // What another thread hands to this one: by Arrive() or by Retire().
  struct Letter {
    Source::Kind becomes;  // kOpener, kLingerer
    std::unique_ptr<session::Session> session;
  };

  void Run();
  void TakeMail();
  // What the listeners have accepted: let in, or told why not.
  void Admit(net::UniqueFd socket, session::Transport transport, bool last);
  void OnOpener(Guest* guest, bool peer_done);
  // Says the last words, and retires it.
  // Says to one that is not let in why.
  void Tell(Guest* guest);
  void SayFarewell(Guest* guest, absl::string_view farewell);
  void EndOpeners();
  void Expire();
  bool HasSpoken(Guest* guest, bool half_said);
  int SleepMs();

  const session::SessionLimits* const limits_;
  session::ConnectionCounters* const counters_;
  const Admission admission_;
  const net::CongestionControl congestion_;
  Signpost signpost_{nullptr, nullptr, false};  // from Start() on

  net::Epoll epoll_;
  Source mailbox_source_{Source::Kind::kMailbox};
  net::Mailbox<std::unique_ptr<session::Session>> departed_;
  std::atomic<bool> departing_{false};
  std::atomic<bool> take_over_files_{false};
  Listeners listeners_;
  Guests guests_;
  // When the thread last began to look at what has come; all that had come by then has been seen
  // to.
  int64_t looked_ns_ = 0;
  net::ServingThread<Letter> thread_;
};

}  // namespace objmapper::router
