// Closes and reopens glog's files at SIGUSR1.
#include "server/log_files.h"

#include <gflags/gflags.h>
#include <glog/logging.h>

#include "absl/time/clock.h"
#include "server/log_writer.h"

namespace objmapper::server {

namespace {

// What is on its way to the files is there after that. Signals wait meanwhile.
constexpr absl::Duration kPatience = absl::Seconds(2);

// On the writing thread, which nobody waits for but us: a mount that hangs holds up no line of the
// log.
void CloseFiles() {
  // glog closes its files when what their names end with changes, with a lock that every line
  // needs; nothing is left to be written then. A line of another thread's between the two calls
  // makes a file with that ending.
  google::SetLogFilenameExtension(".rotating");
  google::SetLogFilenameExtension("");
}

}  // namespace

std::string ReopenLogFiles() {
  if (!LogHasFiles()) {
    return "the log goes to standard error, so there is no file to reopen; the program that reads "
           "it rotates it";
  }
  if (FLAGS_timestamp_in_logfile_name) {
    const absl::Time now = absl::Now();
    absl::SleepFor(absl::FromUnixSeconds(absl::ToUnixSeconds(now) + 1) - now);
  }
  if (!RunInLogWriter(CloseFiles, kPatience)) {
    return "the log's files cannot be written at the moment; they will be closed and reopened when "
           "they can";
  }
  return "the log's files have been closed and are reopened";
}

}  // namespace objmapper::server
