// Where a running server waits for its successor.
//
//   auto door = Door::Open(path, trust, listeners);   // a thread waits
//   ...                                               // (*door)->fd() is readable: a successor
//   serves on our listeners std::unique_ptr<Wire> successor = (*door)->TakeSuccessor();
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
#include "server/handover/trust.h"
#include "server/handover/wire.h"

namespace objmapper::server::handover {

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

}  // namespace objmapper::server::handover
