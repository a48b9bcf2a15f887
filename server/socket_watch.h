// Socket files that go while the server runs: removed by hand, by a cleaner of /tmp, with their
// folder. Who is connected notices nothing, and nobody else can connect; so the server listens
// anew.
//
//   SocketWatch watch(&demultiplexer, config.socket_file);
//   watch.Look();                      // every two seconds or so
//   LOG_IF(ERROR, !watch.Trouble().empty()) << watch.Trouble();
#pragma once

#include <string>

#include "absl/container/flat_hash_map.h"
#include "net/listener.h"
#include "net/mutex.h"
#include "router/demultiplexer.h"

namespace objmapper::server {

class SocketWatch {
 public:
  // demultiplexer: borrowed, started. file: what is asked of a socket file that is made.
  SocketWatch(router::Demultiplexer* demultiplexer, net::SocketFile file);

  // Looks at each socket file, and listens anew where one is gone. One of another server's is left
  // alone, and so is what systemd has made: then Trouble() says so. Says in the log what it found,
  // once. May wait for a disk. One thread.
  void Look();

  // Which listeners nobody can connect to, and why; empty when there is none. Any thread.
  std::string Trouble() const;

 private:
  router::Demultiplexer* const demultiplexer_;
  const net::SocketFile file_;
  struct Known {
    std::string said;  // what the log has been told
    int rest = 0;      // so many looks are let pass before the next try
  };
  absl::flat_hash_map<std::string, Known> known_;  // by URL: those that cannot be connected to
  mutable net::Mutex mutex_;
  std::string trouble_ GUARDED_BY(mutex_);
};

}  // namespace objmapper::server
