// Where a running server waits for its successor.
//
//   auto door = Door::Open(path, &server, SIGUSR1);   // a thread waits
//   ...                                               // the signal comes: a successor serves on our listeners
//   std::unique_ptr<Wire> successor = (*door)->TakeSuccessor();
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "net/event_fd.h"
#include "net/listener.h"
#include "net/mutex.h"
#include "server/handover/wire.h"

namespace objmapper::server::handover {

// The listeners of a running server, as they are handed over; the descriptors stay its own.
struct Listeners {
  std::vector<std::string> urls;
  std::vector<int> fds;
};

class Door {
 public:
  // Listens on the Unix socket `path`, of mode 0600. listeners: asked once for each who comes. signal: sent to this
  // process when a successor serves. Errors: as net::Listener::Open().
  static absl::StatusOr<std::unique_ptr<Door>> Open(const std::string& path, std::function<Listeners()> listeners,
                                                    int signal);
  // Ends the thread, removes the socket file.
  ~Door();

  // After the signal: the successor, which waits for "go". Once.
  std::unique_ptr<Wire> TakeSuccessor();

 private:
  Door(net::Listener listener, std::function<Listeners()> listeners, int signal);
  void Run();
  // True: whoever came through `socket` serves now.
  bool Greet(net::UniqueFd socket);

  net::Listener listener_;
  const std::function<Listeners()> listeners_;
  const int signal_;
  net::EventFd stop_;
  net::Mutex mutex_;
  std::unique_ptr<Wire> successor_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace objmapper::server::handover
