// A file of lines that nobody has to wait for: they go through a bounded queue to a thread that
// writes them. What does not fit, or cannot be written, is dropped and counted.
//
//   absl::StatusOr<std::unique_ptr<LineLog>> log = LineLog::Open("/var/log/objmapper/access",
//   format); limits.access_log = log->get();
//   ...
//   (*log)->Reopen();   // whoever rotates files has given it another name
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "session/access_log.h"

namespace objmapper::server {

class LineLog : public session::AccessLog {
 public:
  // Appends to `path`, which is made where it is missing (0640): a file, a FIFO that somebody
  // reads, or a device (/dev/stdout). Else as open(2) says.
  static absl::StatusOr<std::unique_ptr<LineLog>> Open(const std::string& path, Format format);
  // Whether it can be opened; makes it.
  static absl::Status CheckPath(const std::string& path);
  // Waits a moment (kLogPatience of log_writer.h) for what is queued to be written.
  ~LineLog() override;

  void Write(std::string line) override;
  // The next line goes to the file that has the name then. Any thread.
  void Reopen();
  uint64_t dropped() const override;

 private:
  struct State;
  explicit LineLog(Format format, std::shared_ptr<State> state)
      : AccessLog(format), state_(std::move(state)) {}

  const std::shared_ptr<State> state_;  // the thread's too, which may hang in a write
};

}  // namespace objmapper::server
