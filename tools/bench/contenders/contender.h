// A server under test, in a process (or several) of its own.
//
// Whoever holds a Contender owns its processes: they end, and are waited for, in its destructor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "net/address.h"
#include "net/unique_fd.h"
#include "tools/bench/contenders/process.h"
#include "tools/bench/load/load.h"

namespace objmapper::bench {

// How a report groups and colours it.
enum class Kind : uint8_t {
  kModel,  // objmapper, with one of its --concurrency_model values
  kFloor,  // a bare loop: the least that the kernel allows
  kPeer,   // somebody else's server
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
  bool stores = false;             // nginx: objects can be stored by PUT (kModel: see `flags`)
  std::string work_dir;            // for sockets, configuration and logs; exists, a short path
};

class Contender {
 public:
  // The last process started ends first: a service before its bus.
  ~Contender();
  Contender(const Contender&) = delete;
  Contender& operator=(const Contender&) = delete;

  const std::string& name() const { return name_; }  // "mode_routing", "floor_fdpass", "nginx"
  Kind kind() const { return kind_; }
  // Where it listens; it has been seen to accept there. NOT_FOUND: not on this transport.
  absl::StatusOr<Endpoint> endpoint(Transport transport) const;
  // The command line it runs with, for the report.
  std::string command() const;
  // UNAVAILABLE: a process has ended; the message has its exit status and the end of its log.
  absl::StatusOr<Usage> usage() const;

  // ---- For those that start it (starters.h). Of all steps the first error is kept, in status();
  // after it the others do nothing ----

  // What it may listen at: a path for a socket, which is free, and a TCP port of 127.0.0.1.
  Contender(const ContenderOptions& options, Kind kind);
  const std::string& path() const { return path_; }
  uint16_t port() const { return port_; }
  net::Address address(Transport transport) const;

  const absl::Status& status() const { return status_; }
  void Check(const absl::Status& step) { status_.Update(step); }
  // Says it in other words.
  void ReplaceError(absl::Status error) { status_ = std::move(error); }
  template <typename T>
  T Take(absl::StatusOr<T> step) {
    Check(step.status());
    return step.ok() ? *std::move(step) : T();
  }
  // Writes WORK_DIR/NAME`suffix` and returns its path.
  std::string Write(const std::string& suffix, const std::string& text);
  // Starts `argv`; its log is WORK_DIR/NAME.log, with `log_suffix` behind NAME.
  void Start(std::vector<std::string> argv, const std::string& log_suffix = "",
             int descriptor_3 = -1);
  // It is to listen at path() or port(), and speak `wire`: waits until it accepts a connection
  // there, kStartTime at most. UNAVAILABLE or DEADLINE_EXCEEDED, with the end of the log. `depth`:
  // as Endpoint has it.
  void Await(Wire wire, Transport transport, int depth = 0);
  // Waits until the process started last has said `text` in its log.
  void AwaitLog(const std::string& text);
  // Checks a step that the process started last has to do with: with the end of its log.
  void CheckWithLog(const absl::Status& step);
  // Holds on to what its processes talk to, until they have ended.
  void KeepOpen(net::UniqueFd fd) { kept_open_.push_back(std::move(fd)); }
  // Something to know beside the command line: what it could not be given.
  void AddRemark(const std::string& remark) { remarks_ += "  # " + remark; }

  // How long a contender may take to answer.
  static constexpr absl::Duration kStartTime = absl::Seconds(10);

 private:
  const std::string name_;
  const Kind kind_;
  const std::string base_;  // WORK_DIR/NAME
  const std::string path_;
  absl::Status status_;  // before what is made with it
  uint16_t port_ = 0;
  std::string remarks_;
  std::vector<net::UniqueFd> kept_open_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<Endpoint> endpoints_;
};

// Starts a contender and waits until it answers. The objects exist.
// INVALID_ARGUMENT: no such name. NOT_FOUND: the peer is not installed; the message names the
// Debian package. Else what went wrong, with the end of its log.
absl::StatusOr<std::unique_ptr<Contender>> StartContender(const ContenderOptions& options,
                                                          const ObjectSet& objects);

// Every name that StartContender() knows of that kind, in the order of reports.
std::vector<std::string> ContenderNames(Kind kind);
// nullopt: there is no such contender.
absl::optional<Kind> KindOf(const std::string& name);
// All names, a line for each kind.
std::string Roster();

}  // namespace objmapper::bench
