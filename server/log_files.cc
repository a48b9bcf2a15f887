#include "server/log_files.h"

#include <gflags/gflags.h>
#include <glog/logging.h>

#include "absl/time/clock.h"

namespace objmapper::server {

std::string ReopenLogFiles() {
  if (FLAGS_logtostderr) {
    return "the log goes to standard error, and there is no file to be opened anew; whoever reads it there rotates it";
  }
  google::FlushLogFiles(google::GLOG_INFO);
  if (FLAGS_timestamp_in_logfile_name) {
    const absl::Time now = absl::Now();
    absl::SleepFor(absl::FromUnixSeconds(absl::ToUnixSeconds(now) + 1) - now);
  }
  // glog closes its files when what their names end with changes. A line of another thread's between the two calls makes
  // a file with that ending.
  google::SetLogFilenameExtension(".rotating");
  google::SetLogFilenameExtension("");
  return "the log's files have been closed, and are opened anew";
}

}  // namespace objmapper::server
