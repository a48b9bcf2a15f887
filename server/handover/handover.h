// The two ends of a hand-over: a running server's door, where its successor comes in, and the
// predecessor, as the successor sees it; and whom either believes. wire.h is what they say.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "net/event_fd.h"
#include "net/listener.h"
#include "net/mutex.h"
#include "server/handover/wire.h"

namespace objmapper::server::handover {

// ---- Whom one server believes to be another (trust.cc) ----

// Whoever gets our sockets can be us, and whose sockets we take has our clients.
//
// become: whom this server turns into, or its predecessor has turned into, by --user; nullopt:
// nobody.
struct Trust {
  std::optional<uid_t> become;

  // Root, ourselves, and `become`.
  bool In(uid_t uid) const;

  // Whether nobody else can put a door of their own where `door` is: FAILED_PRECONDITION when its
  // folder belongs to somebody else, or everybody may rename what is in it. OK for a name in the
  // abstract namespace, which has no folder: there, who sits behind the door is all that can be
  // looked at.
  absl::Status CheckFolderOf(const std::string& door) const;
};

// ---- Where a running server waits for its successor (door.cc) ----
//
//   auto door = Door::Open(path, trust, listeners);   // a thread waits
//   ...     // (*door)->fd() is readable: a successor serves on our listeners
//   std::unique_ptr<Wire> successor = (*door)->TakeSuccessor();

// The listeners of a running server, as they are handed over; the descriptors stay its own.
struct Listeners {
  std::vector<std::string> urls;
  std::vector<int> fds;
};

class Door {
 public:
  // Listens on the Unix socket `path`, of mode 0600. trust: who may take over. listeners: asked
  // once for each who comes. Errors: as Trust::CheckFolderOf() and net::Listener::Open().
  static absl::StatusOr<std::unique_ptr<Door>> Open(const std::string& path, const Trust& trust,
                                                    std::function<Listeners()> listeners);
  // Ends the thread, removes the socket file.
  ~Door();

  // Readable once a successor serves.
  int fd() const { return came_.fd(); }
  // Then: the successor, which waits for "go". Once; null: there is none.
  std::unique_ptr<Wire> TakeSuccessor();

 private:
  Door(net::Listener listener, const Trust& trust, std::function<Listeners()> listeners);
  void Run();
  // True: whoever came through `socket` serves now.
  bool Greet(net::UniqueFd socket);

  net::Listener listener_;
  const Trust trust_;
  const std::function<Listeners()> listeners_;
  net::EventFd stop_;
  net::EventFd came_;
  net::Mutex mutex_;
  std::unique_ptr<Wire> successor_ GUARDED_BY(mutex_);
  std::thread thread_;
};

// ---- The server that ran before this one, and hands over to it (predecessor.cc) ----
//
//   auto predecessor = Predecessor::Find(path, trust);   // null: nobody there, this is a plain
//   start
//   ... predecessor->TakeListeners() ... serve on them ...
//   predecessor->Release();                              // from here on its doors are closed
//   predecessor->TakeConnections([&](session) { ... });  // until it has none left; a thread of its
//                                                        // own

class Predecessor {
 public:
  // Connects to the door `path`. Null: there is none, or nobody behind it. Errors: whoever is
  // behind it is not to be trusted, or refuses (FAILED_PRECONDITION, with the reason), or does not
  // say what it should.
  static absl::StatusOr<std::unique_ptr<Predecessor>> Find(const std::string& path,
                                                           const Trust& trust);

  // Where it says that it listens. The files of those that our own flags name are ours after
  // Release(): net::Listener::TakeOverFile(). Once.
  std::vector<net::Listener> TakeListeners() { return std::move(listeners_); }

  // Says that we serve; it listens no more. An error: it is gone, and so are its connections, but
  // not our sockets.
  absl::Status Release();

  // Gives each connection to `adopt`, until the last. Returns how many there were. patience: until
  // each begins to come, and the end: the other's --drain_timeout may be that long.
  absl::StatusOr<uint64_t> TakeConnections(absl::Duration patience,
                                           const std::function<absl::Status(Frame)>& adopt);

  // Ends TakeConnections() in another thread.
  void Abandon();

 private:
  explicit Predecessor(net::UniqueFd socket) : wire_(std::move(socket)) {}

  Wire wire_;
  std::vector<net::Listener> listeners_;
};

}  // namespace objmapper::server::handover
