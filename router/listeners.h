// The sockets that the router listens on: when each is accepted from, what happens when the process
// has no descriptor left, how one is replaced, and what becomes of socket files.
//
// The router's thread, but for what says otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/deadline_list.h"
#include "net/epoll.h"
#include "net/listener.h"
#include "net/mutex.h"
#include "net/tcp.h"
#include "session/session.h"

namespace objmapper::router {

// What an event of the router's epoll set points to.
struct Source {
  // A connection is a guest here between accept and its lane (kOpener), or between its last answer
  // and close (kLingerer; kRefused: it was never let in, and has no place among --max_connections;
  // kUntold: nor has it been told, since its first bytes say in which dialect).
  enum class Kind : uint8_t { kListener, kMailbox, kOpener, kLingerer, kRefused, kUntold };
  explicit Source(Kind kind_in) : kind(kind_in) {}
  Kind kind;
};

// A socket that is listened on. Its number is good until the second Renew() of its address.
struct Listening {
  int fd;
  std::string url;
  bool file_is_ours;
  net::Address address;
  net::Listener::FileIdentity file;
};

struct ListenerSource : Source {
  explicit ListenerSource(net::Listener listener_in)
      : Source(Kind::kListener), listener(std::move(listener_in)) {}
  session::Transport transport() const {
    return listener.address().kind == net::Address::Kind::kUnix ? session::Transport::kUnix
                                                                : session::Transport::kTcp;
  }
  net::Listener listener;
  // the one that this one has replaced, for who still has its number
  std::unique_ptr<ListenerSource> before;
  bool paused = true;  // out of the epoll set, until Start() or until resume_ns()
};

class Listeners {
 public:
  // Takes what has been accepted. last: there is no descriptor left to serve it with; then it may
  // be no socket.
  using Admit = std::function<void(net::UniqueFd socket, session::Transport transport, bool last)>;
  // epoll: borrowed; what it reports of a ListenerSource is for Accept().
  Listeners(net::Epoll* epoll, std::vector<net::Listener> listeners,
            const net::CongestionControl& congestion, Admit admit);

  // Begins to listen, which is no different from listening again.
  void Start() { SetPaused(false); }
  // Accepts a turn's worth. True: more may be waiting.
  bool Accept(ListenerSource* source);
  // Accepts all that is waiting.
  void AcceptAll();
  // When Resume() is to be called next.
  int64_t resume_ns() const { return resume_ns_; }
  // Listens again after a pause.
  void Resume();
  // Between rounds of events, none of which then means a listener that has gone.
  void TakeRenewed();
  // leave_files: socket files are somebody else's by now. take_over_files: a predecessor's are ours
  // to remove.
  void Close(bool leave_files, bool take_over_files);

  // Any thread, before Close().
  std::vector<Listening> listening() const;
  // Listens on `listener` in place of the one with the same address, once that has accepted who
  // came before, from the next TakeRenewed() on. Any thread.
  void Renew(net::Listener listener);

 private:
  void Refuse(ListenerSource* source, net::UniqueFd socket);
  void RefuseForLackOfDescriptors(ListenerSource* source);
  void SetPaused(bool paused);

  net::Epoll* const epoll_;
  const Admit admit_;
  mutable net::Mutex mutex_;
  // Changed by the router's thread alone, with the mutex held.
  std::vector<std::unique_ptr<ListenerSource>> listeners_;
  std::vector<net::Listener> renewed_ GUARDED_BY(mutex_);
  int64_t resume_ns_ = net::kNever;
  net::UniqueFd reserve_;  // given up for a moment to refuse a client when descriptors are out
};

}  // namespace objmapper::router
