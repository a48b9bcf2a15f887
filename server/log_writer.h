// A log that nobody has to wait for. Lines of glog's go through a bounded queue to a thread that
// writes them to standard error and to glog's files: so who reads the log slowly, or not at all, a
// disk that is full and a mount that hangs hold up no request. What does not fit is dropped and
// counted, and the next line that gets through is preceded by one that says how many were lost.
//
//   google::InitGoogleLogging(argv[0]);
//   StartLogWriter();
//   LOG(INFO) << "...";                   // any thread; waits for nobody
//   FlushLog(kLogPatience);
//   _exit(0);
//
// What FATAL and CHECK have to say still gets out before the process ends, with all that is queued,
// unless nobody takes it within a second.
#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace objmapper::server {

// How long the end of the process waits for whoever takes the log.
inline constexpr absl::Duration kLogPatience = absl::Seconds(1);

// From now on the log is written by a thread. --logtostderr, --alsologtostderr, --stderrthreshold
// and the like are read now. Once; after all forks.
void StartLogWriter();

// Waits until all that has been logged is written, and files are flushed. False: that took longer
// than `patience`. Before StartLogWriter() it is google::FlushLogFiles(). Any thread.
bool FlushLog(absl::Duration patience);

// Whether it goes to files too, or alone. Any thread.
bool LogHasFiles();

// Closes glog's files, for whoever rotates them: the next line opens a file of the same name anew
// (--timestamp_in_logfile_name=false), or one that is named by the time it was opened. Returns what
// has been done, a sentence for the log. Any thread, one at a time; may sleep for a second, since
// two files of one second would have one name.
std::string ReopenLogFiles();

// Lines that were dropped since the start. Any thread.
uint64_t LogLinesDropped();

}  // namespace objmapper::server
