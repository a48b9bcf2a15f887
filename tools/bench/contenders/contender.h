// A server under test, in a process (or several) of its own.
//
// Whoever holds a Contender owns its processes: they end, and are waited for, in its destructor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/bench/load/endpoint.h"

namespace objmapper::bench {

// How a report groups and colours it.
enum class Kind : uint8_t {
  kModel,  // objmapper, with one of its --concurrency_model values
  kFloor,  // a bare loop: the least that the kernel allows
  kPeer,   // somebody else's server
};

// What the contender's processes have used since they began, and hold now.
struct Usage {
  int64_t cpu_ns = 0;      // of all threads, those that have ended too (clock_getcpuclockid(3))
  uint64_t rss_bytes = 0;  // VmRSS, summed over processes
  int threads = 0;
  int descriptors = 0;
};

class Contender {
 public:
  virtual ~Contender() = default;

  virtual const std::string& name() const = 0;  // "mode_routing", "floor_fdpass", "nginx"
  virtual Kind kind() const = 0;
  // Where it listens; it has been seen to accept there. NOT_FOUND: not on this transport.
  virtual absl::StatusOr<Endpoint> endpoint(Transport transport) const = 0;
  // The command line it runs with, for the report.
  virtual std::string command() const = 0;
  // UNAVAILABLE: it has ended; the message has its exit status and the end of its log.
  virtual absl::StatusOr<Usage> usage() const = 0;
};

// What all contenders of a run serve.
struct ObjectSet {
  std::string root;  // a folder with the files; redis and memcached are filled from it
  struct Object {
    std::string name;  // one path component, [a-z0-9_.]
    uint64_t bytes = 0;
  };
  std::vector<Object> objects;
};

struct ContenderOptions {
  std::string name;                // see ContenderNames()
  std::vector<std::string> flags;  // kModel: more flags for the server
  std::string other_server;        // "other_build": the server's binary
  int connections_max = 1000;      // that will be open at once; limits are set accordingly
  std::string work_dir;            // for sockets, configuration and logs; exists, a short path
};

// Starts a contender and waits until it answers. The objects exist.
// INVALID_ARGUMENT: no such name. NOT_FOUND: the peer is not installed; the message names the
// Debian package. Else what went wrong, with the end of its log.
absl::StatusOr<std::unique_ptr<Contender>> StartContender(const ContenderOptions& options,
                                                          const ObjectSet& objects);

// Every name that StartContender() knows of that kind, in the order of reports.
std::vector<std::string> ContenderNames(Kind kind);

}  // namespace objmapper::bench
