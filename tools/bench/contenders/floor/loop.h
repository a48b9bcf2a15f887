// What the epoll floors share: an accepting thread that deals connections in turn to the threads
// that serve, each with an epoll set of its own. Answering is the floor's.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "tools/bench/contenders/floor/listeners.h"

namespace objmapper::bench {

// Owned by the thread that serves it.
struct FloorConnection {
  virtual ~FloorConnection() = default;

  int fd = -1;
  bool greeted = false;  // HELLO has been answered, or the language has none
  bool blocked = false;  // set by Serve(): the socket is full
  std::string unread;    // bytes that Serve() has left; as a rule none
};

// One thread's way to answer.
class FloorServant {
 public:
  virtual ~FloorServant() = default;

  virtual std::unique_ptr<FloorConnection> NewConnection() {
    return std::make_unique<FloorConnection>();
  }
  // Answers the whole requests at the front of `input` and returns how many bytes that took; -1:
  // the peer has gone. With connection->blocked set it is called again, with what it left, when
  // there is room.
  virtual ssize_t Serve(FloorConnection* connection, absl::string_view input) = 0;
};

// Serves for ever, with `threads` threads (0: one for each core). `servant` is called once for
// each. `poll`: the threads never sleep.
[[noreturn]] void RunFloor(const Listeners& listeners, bool poll,
                           const std::function<std::unique_ptr<FloorServant>()>& servant,
                           int threads = 0);

}  // namespace objmapper::bench
