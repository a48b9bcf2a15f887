// The load generator: one for all contenders, so that a ratio between them means something.
//
// It opens the connections, keeps them for as many runs as wanted, and drives them from
// `client_threads` threads, each with its own epoll set. What arrives is read and counted, not
// kept; a descriptor is received, checked to be one (the reply says so), and closed.
//
//   absl::StatusOr<std::unique_ptr<Load>> load = Load::Connect(endpoint, options);
//   (*load)->Run(absl::Milliseconds(300));              // warm-up
//   absl::StatusOr<LoadResult> result = (*load)->Run(absl::Seconds(1));
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tools/bench/load/histogram.h"

namespace objmapper::bench {

// ---- What it needs to know of a server: where it listens and what it speaks ----

enum class Transport : uint8_t { kUnix, kTcp };

// The languages that contenders speak. The same objects are asked for by the same names in each.
enum class Wire : uint8_t {
  kObjmapper,  // docs/protocol.md: our models, and the floors, which speak just enough of it
  kHttp,       // GET /name and the like, HTTP/1.1, persistent: nginx, lighttpd, h2o, our models
  kRedis,      // GET name (RESP2)
  kMemcached,  // get name (text protocol)
  kDbus,       // a method call Open(s) -> h on a bus, by sd-bus's wire format: descriptors alone
};

struct Endpoint {
  Wire wire = Wire::kObjmapper;
  Transport transport = Transport::kUnix;
  std::string path;   // kUnix: the socket's
  uint16_t port = 0;  // kTcp: on 127.0.0.1
  // A contender that is always asked so many requests at a time, whatever LoadOptions::depth says:
  // beside the same server asked otherwise it shows what pipelining brings. 0: what that says.
  int depth = 0;
};

// ---- What it asks, and what came of it ----

enum class Ask : uint8_t {
  kFdPass,
  kCopy,  // HTTP: GET
  kSplice,
  kPut,         // stores bytes under the name
  kPutFd,       // stores a sealed memfd, by its descriptor
  kHead,        // HTTP alone: HEAD
  kRevalidate,  // HTTP alone: GET with If-None-Match, which 304 answers
};
inline bool Stores(Ask ask) { return ask == Ask::kPut || ask == Ask::kPutFd; }

struct LoadOptions {
  // What is asked for. `mix_ratio` of the requests (or of the connections) ask `first`, the rest
  // ask `second`; 1: all ask `first`. Names are asked for in turn.
  Ask first = Ask::kFdPass;
  Ask second = Ask::kCopy;
  double mix_ratio = 1;
  bool mix_per_connection = false;
  std::vector<std::string> first_names;   // one or more
  std::vector<std::string> second_names;  // one or more when mix_ratio < 1

  uint64_t stored_bytes = 0;  // kPut, kPutFd: of each object

  int connections = 16;
  int client_threads = 1;
  int depth = 1;       // requests outstanding per connection
  bool v1 = false;     // kObjmapper: speak V1 ('X' messages); else V2 with FD_IN_HEADER
  bool batch = false;  // kObjmapper: FD_BATCH too
  // Reconnect after so many answers; 0: never (persistent connections).
  uint64_t requests_per_conn = 0;
  // A Run() asks this often in all and ends with the last answer, or after 5 s without one (a
  // server that leaves connections waiting); its `seconds` is the time that the answers took. 0: it
  // asks for its duration. (Cold files are read once each.) The names are asked for in turn over
  // all connections.
  uint64_t requests_max = 0;
  bool poll = false;  // the client spins instead of sleeping
  // Open loop: so many requests a second in all, each due at its time whether or not earlier ones
  // are answered; a latency counts from when the request was due (no coordinated omission). 0:
  // closed loop.
  double rate = 0;

  // Whether any request asks what is `wanted`, a predicate of an Ask.
  template <typename Wanted>
  bool Any(Wanted wanted) const {
    return wanted(first) || (mix_ratio < 1 && wanted(second));
  }
};

// One side of a mix.
struct SideResult {
  uint64_t requests = 0;  // answered
  uint64_t bytes = 0;     // of bodies received, and of objects stored
  Histogram latency;
};

struct LoadResult {
  double seconds = 0;
  SideResult first, second;
  uint64_t errors = 0;        // answers that were not OK, broken connections
  std::string first_error;    // what the first of them said
  int64_t client_cpu_ns = 0;  // of the client's threads
  uint64_t behind = 0;        // open loop: requests still unsent, or unanswered, at the end
  uint64_t starved = 0;       // connections that got no answer in this run
  uint64_t requests() const { return first.requests + second.requests; }
  uint64_t bytes() const { return first.bytes + second.bytes; }
  // What another thread, or a later run, brought; but for `seconds`.
  void Add(const LoadResult& part);
};

class Load {
 public:
  virtual ~Load() = default;

  // Connects everything. Errors name the contender's endpoint and the reason.
  static absl::StatusOr<std::unique_ptr<Load>> Connect(const Endpoint& endpoint,
                                                       const LoadOptions& options);

  // Asks for `duration`, and then waits for what is outstanding (10 s at most). DEADLINE_EXCEEDED:
  // nothing was answered at all. UNAVAILABLE: there were only errors; the message has the first.
  virtual absl::StatusOr<LoadResult> Run(absl::Duration duration) = 0;

  // Changes the open loop's rate for the next Run(); 0: closed loop.
  virtual void SetRate(double rate) = 0;

  // Keeps the client's threads of the next Run() on this core; -1, as at first: anywhere.
  virtual void KeepTo(int core) = 0;
};

}  // namespace objmapper::bench
