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
#include <functional>

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

// Runs `work` on the writing thread, after what has been logged so far, and files are flushed; it
// may not log. False: it has not been done within `patience`, and will be when whoever takes the
// log goes on. Where there is no such thread it is done at once.
bool RunInLogWriter(std::function<void()> work, absl::Duration patience);

// Lines that were dropped since the start. Any thread.
uint64_t LogLinesDropped();

}  // namespace objmapper::server
