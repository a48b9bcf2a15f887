// The server that ran before this one, and hands over to it.
//
//   auto predecessor = Predecessor::Find(path, trust);     // null: nobody there, this is a plain
//   start
//   ... predecessor->TakeListeners() ... serve on them ...
//   predecessor->Release();                                // from here on its doors are closed
//   predecessor->TakeConnections([&](session) { ... });    // until it has none left; a thread of
//   its own
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "net/listener.h"
#include "server/handover/trust.h"
#include "server/handover/wire.h"

namespace objmapper::server::handover {

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
