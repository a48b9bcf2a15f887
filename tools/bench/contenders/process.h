// A child process that this one owns: started, watched, stopped, reaped.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace objmapper::bench {

// What processes have used since they began, and hold now.
struct Usage {
  int64_t cpu_ns = 0;      // of all threads, those that have ended too (clock_getcpuclockid(3))
  uint64_t rss_bytes = 0;  // VmRSS, summed over processes
  int threads = 0;
  int descriptors = 0;
};

struct ProcessOptions {
  std::vector<std::string> argv;  // argv[0] is the program's path
  std::string log_path;           // gets standard output and standard error; begun anew
  int descriptor_3 = -1;          // borrowed; the child has it as descriptor 3
  int standard_input = -1;        // borrowed; -1: there is nothing to read
};

// It leads a process group of its own, which is stopped as a whole, and is killed when the *thread*
// that started it ends (prctl(2), PR_SET_PDEATHSIG): start it from one that stays. One thread.
class Process {
 public:
  // INTERNAL, RESOURCE_EXHAUSTED, ...: no log, no process. A program that cannot be executed is a
  // process that ends at once.
  static absl::StatusOr<std::unique_ptr<Process>> Start(const ProcessOptions& options);
  // SIGTERM to the group, SIGKILL after kPatience, and waits for the end.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  static constexpr absl::Duration kPatience = absl::Seconds(3);

  pid_t pid() const { return pid_; }
  // UNAVAILABLE: it has ended; says how, and the end of its log.
  absl::Status Running() const;
  // Until it has ended by itself. The CPU that it used, and those of its descendants that were
  // waited for (getrusage(2)), in ns. UNAVAILABLE: it ended otherwise than with status 0, as
  // Running() says it. DEADLINE_EXCEEDED: it still runs.
  absl::StatusOr<int64_t> AwaitEnd(absl::Time deadline) const;
  // Until `text` is in the log. UNAVAILABLE as above, or DEADLINE_EXCEEDED, with the log's end.
  absl::Status WaitForLog(absl::string_view text, absl::Time deadline) const;
  // Adds what it and its descendants use. A descendant that ends meanwhile is left out.
  // UNAVAILABLE as above.
  // Source: proc(5): status, fd, task/*/children.
  absl::Status AddUsage(Usage* usage) const;
  // The last lines of the log.
  std::string LogEnd() const;
  std::string command() const;

 private:
  Process(ProcessOptions options, pid_t pid) : options_(std::move(options)), pid_(pid) {}
  bool HasEnded() const;

  const ProcessOptions options_;
  const pid_t pid_;
  mutable std::optional<int> wait_status_;  // once it has been reaped
  mutable int64_t cpu_ns_ = 0;              // likewise
};

}  // namespace objmapper::bench
