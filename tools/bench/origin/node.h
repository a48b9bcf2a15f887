// Our server under test, with a root of its own and an origin or none; its CPU, its memory, and
// what it has fetched.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "tools/bench/contenders/process.h"
#include "tools/bench/load/load.h"
#include "tools/bench/origin/http.h"

namespace objmapper::bench {

// The most that a server has held in memory, in bytes, and what it holds now (proc(5),
// /proc/PID/status). Pages of files that it has written are the kernel's cache and not among them.
struct Memory {
  uint64_t peak_rss = 0;   // VmHWM: of its own, of mapped files and of shared memory
  uint64_t anonymous = 0;  // RssAnon, now
  uint64_t files = 0;      // RssFile, now: mapped, its program among them
};

// One thread's, but for what is const and no more than a name.
class Node {
 public:
  // In `folder`, which is new and a short path. `flags`: beside root and addresses.
  static absl::StatusOr<std::unique_ptr<Node>> Start(const std::string& folder,
                                                     const std::vector<std::string>& flags);
  // Removes its root.
  ~Node();

  // For clients of ours, and for HTTP; on a Unix socket.
  std::string url() const { return "unix:" + socket_; }
  HttpPlace http(absl::string_view uri) const;
  Endpoint endpoint() const { return {.path = socket_}; }
  std::string admin() const { return admin_; }
  std::string PathOf(absl::string_view uri) const;  // of the object's file
  const std::string& root() const { return root_; }

  // Of its process, since it began. UNAVAILABLE: it has ended.
  absl::StatusOr<double> CpuSeconds() const;
  absl::StatusOr<Memory> MemoryUsed() const;

  // Until it fetches nothing.
  absl::Status AwaitIdle() const;
  // Drops what was fetched of an object, once nothing is being fetched; be there anything or not.
  absl::Status Evict(absl::string_view uri) const;

 private:
  explicit Node(std::string folder);
  const std::string folder_, root_, socket_, admin_;
  std::unique_ptr<Process> process_;
};

}  // namespace objmapper::bench
